import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { csi } from '../../../src/grpc/contract.ts';
import { clients } from '../harness/clients.ts';
import { ceph, values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';
import { createCalls } from './fixture.ts';

/** All clients at this machine's address: those of the kernel, and no other machine's. */
function ownClients(): string {
  const [address] = Object.values(networkInterfaces())
    .flatMap(entries => entries ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal);
  return `${address?.address ?? '192.0.2.1'}:0/0`;
}

describe.runIf(clients.mounter === 'kernel')('the kernel’s client', () => {
  const driver = useDriver({ flags: ['--mounter', 'kernel'] });
  const calls = createCalls(driver);

  test('is given the options of the class, and shows no key', async () => {
    const volume = await calls.create('options');
    const options = ['noasyncreaddir', 'ms_mode=prefer-crc', 'crush_location=host:b|zone:a'];
    const kernelMountOptions = [...options, 'read_from_replica=localize'].join(',');
    const context = { ...volume.volume_context, kernelMountOptions };
    const { path, unstage } = await calls.stage({ ...volume, volume_context: context }, 'options');
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    const line = mounts.split('\n').find(text => text.includes(` ${path} `));
    for (const option of options) expect(line).toContain(option);
    expect(mounts).not.toContain(values.cephfs.nodeSecrets['userKey'] ?? 'a key');
    await unstage();
    await calls.remove(volume);
  });

  test('that was shut out of the cluster is reported, and mended by the next stage', async () => {
    const volume = await calls.create('shut-out');
    const { path, unstage } = await calls.stage(volume, 'shut-out');
    await writeFile(join(path, 'file'), 'kept', { flush: true });
    await ceph('osd', 'blocklist', 'add', ownClients());
    const query = { volume_id: volume.volume_id, volume_path: path, staging_target_path: path };
    await expect
      .poll(async () => (await driver.cephfs.call(csi.Node.NodeGetVolumeStats, query)).volume_condition, {
        timeout: 120_000,
      })
      .toMatchObject({ abnormal: true });
    await ceph('osd', 'blocklist', 'rm', ownClients());
    await calls.stage(volume, 'shut-out');
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('kept');
    await unstage();
    await calls.remove(volume);
  });
});
