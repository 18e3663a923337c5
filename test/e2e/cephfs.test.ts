import { beforeAll, describe, expect, test } from 'vitest';
import { listSubvolumes, readObject, waitFor } from './harness/cluster.ts';
import { installDriver } from './harness/driver.ts';
import { useNamespace } from './harness/namespace.ts';
import { createClaim, createPod } from './harness/objects.ts';

interface Pods {
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

beforeAll(async () => {
  await installDriver();
});

describe('a CephFS volume', () => {
  const namespace = useNamespace('cephfs');

  test('is shared by Pods', async () => {
    await namespace.applyExample('cephfs/pvc-pod.yaml');
    await namespace.kubectl('rollout', 'status', 'deployment/cephfs-pods', '--timeout=400s');
    const selector = '--selector=app=cephfs-pods';
    const { items } = await readObject<Pods>('--namespace', namespace.name, 'pods', selector);
    const [first = '', second = ''] = items.map(({ metadata }) => metadata.name).sort();
    const read = (pod: string) => namespace.exec(pod, 'sort', '/data/log');
    expect(await read(first)).toBe(`${first}\n${second}\n`);
    expect(await read(second)).toBe(`${first}\n${second}\n`);
  });

  test('can be restored from a snapshot, and cloned', async () => {
    await namespace.applyExample('cephfs/snapshot-restore.yaml');
    await namespace.kubectl(
      ...[
        'wait',
        '--for=jsonpath={.status.readyToUse}=true',
        '--timeout=300s',
        'volumesnapshot/cephfs-snapshot',
      ],
    );
    for (const claim of ['cephfs-restored', 'cephfs-clone']) {
      await namespace.apply(createPod(`reader-of-${claim}`, { claim }));
      await namespace.waitForPod(`reader-of-${claim}`);
      const lines = (await namespace.exec(`reader-of-${claim}`, 'cat', '/data/log')).trimEnd().split('\n');
      expect(lines).toHaveLength(2);
    }
  });

  test('grows while Pods use it, and can be mounted read-only', async () => {
    const claim = { storageClass: 'cephfs', accessMode: 'ReadWriteMany' };
    await namespace.apply(
      createClaim('growing', { ...claim, size: '1Gi' }),
      createPod('writer', { claim: 'growing' }),
      createPod('reader', { claim: 'growing', readOnly: true }),
    );
    await namespace.waitForPod('writer');
    await namespace.waitForPod('reader');
    await namespace.exec('writer', 'sh', '-c', 'echo kept > /data/file');
    await namespace.apply(createClaim('growing', { ...claim, size: '2Gi' }));
    await namespace.kubectl(
      ...['wait', '--for=jsonpath={.status.capacity.storage}=2Gi', '--timeout=300s', 'pvc/growing'],
    );
    expect(await namespace.exec('reader', 'cat', '/data/file')).toBe('kept\n');
    await expect(namespace.exec('reader', 'touch', '/data/other')).rejects.toThrow('Read-only file system');
  });

  test("can be written to by a user of the Pod's fsGroup", async () => {
    await namespace.apply(
      createClaim('grouped', { storageClass: 'cephfs', accessMode: 'ReadWriteMany' }),
      createPod('grouped', { claim: 'grouped', fsGroup: 2000 }),
    );
    await namespace.waitForPod('grouped');
    await namespace.exec('grouped', 'touch', '/data/file');
    expect(await namespace.exec('grouped', 'stat', '-c', '%u %g', '/data/file')).toBe('1000 2000\n');
  });

  test('goes with its claim', async () => {
    await namespace.apply(createClaim('deleted', { storageClass: 'cephfs', accessMode: 'ReadWriteMany' }));
    const { persistentVolume } = await namespace.waitForVolume('deleted');
    const subvolume = `csi-vol-${persistentVolume}`;
    expect(await listSubvolumes()).toContain(subvolume);
    await namespace.remove('persistentvolumeclaim', 'deleted');
    await waitFor('end of the subvolume', async () => !(await listSubvolumes()).includes(subvolume));
  });
});
