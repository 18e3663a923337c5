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
