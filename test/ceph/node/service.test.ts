/** What the other files here ask the node's backend, kubelet asks the whole driver over its socket. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { blockCapability, mountCapability } from '../../../dev/driver/requests.ts';
import type { Volume__Output as Volume } from '../../../src/gen/csi/v1/Volume.ts';
import type { VolumeCapability } from '../../../src/gen/csi/v1/VolumeCapability.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { mountsBelow, readMounts } from '../../../src/mount/mountinfo.ts';
import { clients } from '../harness/clients.ts';
import { values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';

const MIB = 1024 * 1024;
const { parameters, secrets, nodeSecrets } = values.rbd;
const driver = useDriver({ flags: ['--mapper', clients.mapper] });

/** A volume in the hands of kubelet. */
interface Published {
  /** Where a container sees it. */
  readonly path: string;
  /** Bytes that it has room for, and whether something is wrong with it. */
  readonly readStatistics: () => Promise<{ readonly total: number; readonly abnormal: boolean | undefined }>;
  readonly grow: (bytes: number) => Promise<void>;
  readonly end: () => Promise<void>;
}

async function createVolume(name: string, capability: VolumeCapability): Promise<Volume> {
  const { volume } = await driver.rbd.call(csi.Controller.CreateVolume, {
    name,
    capacity_range: { required_bytes: 400 * MIB },
    volume_capabilities: [capability],
    parameters,
    secrets,
  });
  if (volume === null) throw new Error('CreateVolume answered without a volume');
  return volume;
}

async function publish(name: string, capability: VolumeCapability): Promise<Published> {
  const { volume_id, volume_context } = await createVolume(name, capability);
  const staging_target_path = join(driver.directory, name, 'staging');
  const path = join(driver.directory, name, 'pod', 'target');
  await mkdir(staging_target_path, { recursive: true });
  await mkdir(dirname(path));
  const use = { volume_id, volume_context, staging_target_path, volume_capability: capability };
  await driver.rbd.call(csi.Node.NodeStageVolume, { ...use, secrets: nodeSecrets });
  await driver.rbd.call(csi.Node.NodePublishVolume, { ...use, target_path: path });
  return {
    path,
    async readStatistics() {
      const query = { volume_id, volume_path: path, staging_target_path };
      const { usage, volume_condition } = await driver.rbd.call(csi.Node.NodeGetVolumeStats, query);
      const bytes = usage.find(({ unit }) => unit === 'BYTES');
      return { total: Number(bytes?.total), abnormal: volume_condition?.abnormal };
    },
    async grow(bytes) {
      const growth = { volume_id, capacity_range: { required_bytes: bytes }, volume_capability: capability };
      await driver.rbd.call(csi.Controller.ControllerExpandVolume, { ...growth, secrets });
      await driver.rbd.call(csi.Node.NodeExpandVolume, { ...growth, volume_path: path, staging_target_path });
    },
    async end() {
      await driver.rbd.call(csi.Node.NodeUnpublishVolume, { volume_id, target_path: path });
      await driver.rbd.call(csi.Node.NodeUnstageVolume, { volume_id, staging_target_path });
      await driver.rbd.call(csi.Controller.DeleteVolume, { volume_id, secrets });
    },
  };
}

it('a file system is published over gRPC, counted, grown while it is used, and taken away', async () => {
  const { path, readStatistics, grow, end } = await publish(
    'served',
    mountCapability('SINGLE_NODE_WRITER', 'xfs'),
  );
  await writeFile(join(path, 'file'), 'kept');
  const before = await readStatistics();
  expect(before).toEqual({ total: expect.any(Number) as number, abnormal: false });
  await grow(480 * MIB);
  expect((await readStatistics()).total).toBeGreaterThan(before.total + 60 * MIB);
  expect(await readFile(join(path, 'file'), 'utf8')).toBe('kept');
  await end();
  expect(mountsBelow(await readMounts(), driver.directory)).toEqual([]);
});

it('a raw block volume is published over gRPC, counted, grown while it is used, and taken away', async () => {
  const { path, readStatistics, grow, end } = await publish('served-raw', blockCapability());
  expect((await stat(path)).isBlockDevice()).toBe(true);
  expect(await readStatistics()).toEqual({ total: 400 * MIB, abnormal: false });
  await grow(480 * MIB);
  await expect.poll(async () => (await readStatistics()).total, { timeout: 60_000 }).toBe(480 * MIB);
  await end();
  expect(mountsBelow(await readMounts(), driver.directory)).toEqual([]);
});
