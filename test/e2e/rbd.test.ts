import { beforeAll, describe, expect, test } from 'vitest';
import { kubectl, listImages, readObject, waitFor } from './harness/cluster.ts';
import { installDriver, RETAIN_CLASS, WRONG_POOL_CLASS, XFS_CLASS } from './harness/driver.ts';
import { useNamespace } from './harness/namespace.ts';
import { createClaim, createPod } from './harness/objects.ts';

interface StatefulSet {
  readonly metadata: { readonly generation: number };
  readonly status: { readonly observedGeneration?: number };
}

beforeAll(async () => {
  await installDriver();
});

describe('an RBD volume of one Pod', () => {
  const namespace = useNamespace('rbd');

  test('is bound and mounted, and keeps its data when the Pod is made anew', async () => {
    await namespace.applyExample('rbd/pvc-pod.yaml');
    await namespace.waitForVolume('rbd-claim');
    await namespace.waitForPod('rbd-pod');
    const [first] = (await namespace.exec('rbd-pod', 'cat', '/data/log')).split('\n');
    await namespace.remove('pod', 'rbd-pod');
    await namespace.applyExample('rbd/pvc-pod.yaml');
    await namespace.waitForPod('rbd-pod');
    const lines = (await namespace.exec('rbd-pod', 'cat', '/data/log')).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe(first);
  });

  test('belongs to the group that the Pod asks for', async () => {
    expect((await namespace.exec('rbd-pod', 'stat', '-c', '%g', '/data/log')).trim()).toBe('1000');
  });

  test('can be restored from a snapshot, and cloned', async () => {
    const before = await namespace.exec('rbd-pod', 'sh', '-c', 'sync; cat /data/log');
    await namespace.applyExample('rbd/snapshot-restore.yaml');
    await namespace.kubectl(
      ...[
        'wait',
        '--for=jsonpath={.status.readyToUse}=true',
        '--timeout=300s',
        'volumesnapshot/rbd-snapshot',
      ],
    );
    for (const claim of ['rbd-restored', 'rbd-clone']) {
      await namespace.apply(createPod(`reader-of-${claim}`, { claim }));
      await namespace.waitForPod(`reader-of-${claim}`);
      expect(await namespace.exec(`reader-of-${claim}`, 'cat', '/data/log')).toBe(before);
    }
  });

  test('can be mounted read-only', async () => {
    const before = await namespace.exec('rbd-pod', 'cat', '/data/log');
    await namespace.remove('pod', 'rbd-pod');
    await namespace.apply(createPod('reader', { claim: 'rbd-claim', readOnly: true }));
    await namespace.waitForPod('reader');
    expect(await namespace.exec('reader', 'cat', '/data/log')).toBe(before);
    await expect(namespace.exec('reader', 'touch', '/data/other')).rejects.toThrow('Read-only file system');
  });
});

describe('other RBD volumes', () => {
  const namespace = useNamespace('rbd-more');

  test('a file system grows while a Pod uses it', async () => {
    await namespace.apply(
      createClaim('growing', { storageClass: XFS_CLASS, size: '1Gi' }),
      createPod('growing', { claim: 'growing' }),
    );
    await namespace.waitForPod('growing');
    await namespace.exec('growing', 'sh', '-c', 'echo kept > /data/file; sync');
    await namespace.apply(createClaim('growing', { storageClass: XFS_CLASS, size: '2Gi' }));
    await waitFor('a file system of 2 GiB', async () => {
      const [, line = ''] = (await namespace.exec('growing', 'df', '-k', '/data')).trimEnd().split('\n');
      return Number(line.split(/\s+/)[1]) > 1.8 * 1024 * 1024;
    });
    await namespace.kubectl(
      ...['wait', '--for=jsonpath={.status.capacity.storage}=2Gi', '--timeout=300s', 'pvc/growing'],
    );
    expect(await namespace.exec('growing', 'cat', '/data/file')).toBe('kept\n');
  });

  test("a user of the Pod's fsGroup can write to a volume", async () => {
    await namespace.apply(createClaim('grouped'), createPod('grouped', { claim: 'grouped', fsGroup: 2000 }));
    await namespace.waitForPod('grouped');
    await namespace.exec('grouped', 'touch', '/data/file');
    expect(await namespace.exec('grouped', 'stat', '-c', '%u %g', '/data/file')).toBe('1000 2000\n');
  });

  test('a raw block device keeps its data when the Pod is made anew', async () => {
    const writer = createPod('block', { claim: 'block', device: '/dev/data' });
    await namespace.apply(createClaim('block', { volumeMode: 'Block' }), writer);
    await namespace.waitForPod('block');
    const write = 'dd if=/dev/urandom of=/dev/data bs=1M count=4 conv=fsync 2>/dev/null';
    const checksum = 'dd if=/dev/data bs=1M count=4 2>/dev/null | sha256sum';
    const before = await namespace.exec('block', 'sh', '-c', `${write}; ${checksum}`);
    await namespace.remove('pod', 'block');
    await namespace.apply(writer);
    await namespace.waitForPod('block');
    expect(await namespace.exec('block', 'sh', '-c', checksum)).toBe(before);
  });

  test('each replica of a StatefulSet has its own volume, and finds it again', async () => {
    const names = ['rbd-set-0', 'rbd-set-1', 'rbd-set-2'];
    await namespace.applyExample('rbd/statefulset.yaml');
    await namespace.kubectl('rollout', 'status', 'statefulset/rbd-set', '--timeout=500s');
    await namespace.kubectl('scale', 'statefulset/rbd-set', '--replicas=1');
    // A controller that does not know yet would make the Pods anew.
    await waitFor('a StatefulSet that knows its size', async () => {
      const set = await readObject<StatefulSet>('--namespace', namespace.name, 'statefulset', 'rbd-set');
      return set.status.observedGeneration === set.metadata.generation;
    });
    const ended = ['rbd-set-1', 'rbd-set-2'];
    // Sooner than the grace that a shell which takes no notice of SIGTERM would use up.
    await namespace.kubectl('delete', 'pod', ...ended, '--grace-period=1', '--ignore-not-found');
    await namespace.kubectl('scale', 'statefulset/rbd-set', '--replicas=3');
    await namespace.kubectl('rollout', 'status', 'statefulset/rbd-set', '--timeout=500s');
    const logs = await Promise.all(names.map(name => namespace.exec(name, 'cat', '/data/log')));
    const [first, second, third] = names;
    expect(logs).toEqual([`${first}\n`, `${second}\n${second}\n`, `${third}\n${third}\n`]);
  });

  test('an image goes with its claim, unless the class retains it', async () => {
    await namespace.apply(createClaim('deleted'), createClaim('retained', { storageClass: RETAIN_CLASS }));
    const [deleted, retained] = await Promise.all([
      namespace.waitForVolume('deleted'),
      namespace.waitForVolume('retained'),
    ]);
    const imageOf = ({ persistentVolume }: { persistentVolume: string }) => `csi-vol-${persistentVolume}`;
    expect(await listImages()).toEqual(expect.arrayContaining([imageOf(deleted), imageOf(retained)]));
    await namespace.remove('persistentvolumeclaim', 'deleted');
    await namespace.remove('persistentvolumeclaim', 'retained');
    await waitFor('end of the image', async () => !(await listImages()).includes(imageOf(deleted)));
    expect(await listImages()).toContain(imageOf(retained));

    const deletion = { spec: { persistentVolumeReclaimPolicy: 'Delete' } };
    const volume = ['persistentvolume', retained.persistentVolume];
    await kubectl('patch', ...volume, '--patch', JSON.stringify(deletion));
    await waitFor('end of the retained image', async () => !(await listImages()).includes(imageOf(retained)));
  });

  test('a class with a wrong pool says so on the claim', async () => {
    await namespace.apply(createClaim('lost', { storageClass: WRONG_POOL_CLASS }));
    const selector = '--field-selector=involvedObject.name=lost,reason=ProvisioningFailed';
    interface Events {
      readonly items: readonly { readonly message: string }[];
    }
    const message = await waitFor('an event on the claim', async () => {
      const { items } = await readObject<Events>('--namespace', namespace.name, 'events', selector);
      return items[0]?.message;
    });
    expect(message).toContain('no-such-pool');
    await namespace.remove('persistentvolumeclaim', 'lost');
  });
});
