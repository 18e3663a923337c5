import { expect, test } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { useDriver } from './harness/driver.ts';

const driver = useDriver();

test('both drivers of the process say who they are', async () => {
  const rbd = await driver.rbd.call(csi.Identity.GetPluginInfo, {});
  const cephfs = await driver.cephfs.call(csi.Identity.GetPluginInfo, {});
  expect([rbd.name, cephfs.name]).toEqual(['rbd.csi-driver-ceph.io', 'cephfs.csi-driver-ceph.io']);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a driver that ended by %s comes back on the same sockets',
  async signal => {
    await driver.restart(signal);
    await expect(driver.rbd.call(csi.Identity.Probe, {})).resolves.toEqual({ ready: { value: true } });
  },
);
