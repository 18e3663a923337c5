import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeBundle } from '../../dev/bundle.ts';
import { mountCapability } from '../../dev/driver/requests.ts';
import { csi } from '../../src/grpc/contract.ts';
import { values } from './harness/cluster.ts';
import { useDriver } from './harness/driver.ts';

// What an image has: everywhere else the sources are tested.
const bundle = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-bundle-'));
await writeBundle(bundle);
afterAll(() => rm(bundle, { recursive: true }));

const driver = useDriver({
  program: join(bundle, 'main.mjs'),
  flags: ['--ceph-transport', 'session'],
});

test('both drivers of the process say who they are', async () => {
  const rbd = await driver.rbd.call(csi.Identity.GetPluginInfo, {});
  const cephfs = await driver.cephfs.call(csi.Identity.GetPluginInfo, {});
  expect([rbd.name, cephfs.name]).toEqual(['rbd.csi-driver-ceph.io', 'cephfs.csi-driver-ceph.io']);
});

test('volumes are made and deleted over connections that stay open', async () => {
  for (const [client, { parameters, secrets }] of [
    [driver.rbd, values.rbd],
    [driver.cephfs, values.cephfs],
  ] as const) {
    const request = {
      name: 'bundled',
      parameters,
      secrets,
      capacity_range: { required_bytes: 1024 ** 3 },
      volume_capabilities: [mountCapability()],
    };
    const { volume } = await client.call(csi.Controller.CreateVolume, request);
    expect(volume?.capacity_bytes).toBe(String(1024 ** 3));
    await client.call(csi.Controller.DeleteVolume, { volume_id: volume?.volume_id ?? '', secrets });
  }
});

test('group snapshots are advertised where their service answers', async () => {
  const { capabilities } = await driver.rbd.call(csi.Identity.GetPluginCapabilities, {});
  const isAdvertised = capabilities.some(({ service }) => service?.type === 'GROUP_CONTROLLER_SERVICE');
  const answer = driver.rbd.call(csi.GroupController.GroupControllerGetCapabilities, {});
  const code = await answer.then(
    () => 'OK',
    (error: unknown) => String(error),
  );
  expect(code).toMatch(isAdvertised ? /^OK$/ : /UNIMPLEMENTED/);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a driver that ended by %s comes back on the same sockets',
  async signal => {
    await driver.restart(signal);
    await expect(driver.rbd.call(csi.Identity.Probe, {})).resolves.toEqual({ ready: { value: true } });
  },
);
