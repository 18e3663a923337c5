import { beforeAll, describe, expect, test } from 'vitest';
import { cluster, kubectl, listImages } from './harness/cluster.ts';
import * as driver from './harness/driver.ts';
import { useNamespace } from './harness/namespace.ts';
import { createClaim, createPod } from './harness/objects.ts';

const CLASSES = { rbd: 'ceph-rbd', cephfs: 'cephfs' } as const;
const kinds = ['rbd', 'cephfs'] as const;

beforeAll(async () => {
  await driver.installDriver();
});

test('the doctor finds nothing to mend, in the controller and on the node', async () => {
  const { pools, fsName } = cluster;
  const run = (workload: string, ...args: readonly string[]) =>
    kubectl(
      ...['--namespace', driver.NAMESPACE, 'exec', workload, '--container=driver', '--'],
      ...['csi-driver-ceph', 'doctor', ...args],
    );
  const wanted = [`--pools=${pools.replicated}`, `--file-systems=${fsName}`];
  const credentials = '--credentials-dir=/etc/csi-driver-ceph-credentials';
  const findings = [
    await run(driver.CONTROLLER, '--role=controller', credentials, ...wanted),
    await run(driver.NODE_PLUGIN, '--role=node'),
  ];
  for (const text of findings) expect(text).toContain('To be mended: nothing');
});

describe('volumes outlive', () => {
  const namespace = useNamespace('operation');

  /** Makes the Pods anew, and reads what the first ones wrote. */
  async function expectData(): Promise<void> {
    for (const kind of kinds) {
      await namespace.remove('pod', kind);
      await namespace.apply(createPod(kind, { claim: kind }));
      await namespace.waitForPod(kind);
      expect(await namespace.exec(kind, 'cat', '/data/file')).toBe(`of ${kind}\n`);
    }
  }

  beforeAll(async () => {
    for (const kind of kinds) {
      await namespace.apply(
        createClaim(kind, { storageClass: CLASSES[kind] }),
        createPod(kind, { claim: kind }),
      );
      await namespace.waitForPod(kind);
      await namespace.exec(kind, 'sh', '-c', `echo of ${kind} > /data/file; sync`);
    }
  });

  test('a restart of the node plugin', async () => {
    await kubectl('--namespace', driver.NAMESPACE, 'rollout', 'restart', driver.NODE_PLUGIN);
    await driver.waitForDriver();
    // The userspace daemons have ended with the plugin's container: the Pods have to be made anew.
    await expectData();
  });

  test('a restart of the controller while it makes volumes', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `restart-${index}`);
    await namespace.apply(...names.map(name => createClaim(name)));
    await kubectl('--namespace', driver.NAMESPACE, 'rollout', 'restart', driver.CONTROLLER);
    const volumes = await Promise.all(names.map(name => namespace.waitForVolume(name)));
    await driver.waitForDriver();
    const images = await listImages();
    const expected = volumes.map(({ persistentVolume }) => `csi-vol-${persistentVolume}`);
    expect(images).toEqual(expect.arrayContaining(expected));
    // One for each claim, and the one of the test's own: none is left over from an interrupted call.
    expect(images).toHaveLength(names.length + 1);
    for (const name of names) await namespace.remove('persistentvolumeclaim', name);
  });

  test('an upgrade of the chart', async () => {
    await driver.installDriver('logLevel=debug');
    await expectData();
  });

  test('the end of the chart, and are of use with the next installation', async () => {
    const before = await listImages();
    await driver.uninstallDriver();
    for (const kind of kinds) await namespace.waitForVolume(kind);
    expect(await listImages()).toEqual(before);
    await driver.installDriver();
    await expectData();
  });
});
