import { status } from '@grpc/grpc-js';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockCapability } from '../../../dev/driver/requests.ts';
import type { GetMetadataAllocatedResponse__Output } from '../../../src/gen/csi/v1/GetMetadataAllocatedResponse.ts';
import type { VolumeContentSource } from '../../../src/gen/csi/v1/VolumeContentSource.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { requireVolumePlace } from '../../../src/rbd/places.ts';
import { rbd, values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';
import { chooseChanges, writeDiffFile } from './image-writes.ts';

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;
const { secrets } = values.rbd;

const driver = useDriver();

interface Wish {
  readonly parameters?: Record<string, string>;
  readonly volume_content_source?: VolumeContentSource;
}

async function createVolume(name: string, wish: Wish = {}): Promise<string> {
  const { volume } = await driver.rbd.call(csi.Controller.CreateVolume, {
    name,
    capacity_range: { required_bytes: SIZE },
    volume_capabilities: [blockCapability()],
    secrets,
    ...wish,
    parameters: { ...values.rbd.parameters, ...wish.parameters },
  });
  return volume?.volume_id ?? '';
}

async function deleteVolume(volumeId: string): Promise<void> {
  await driver.rbd.call(csi.Controller.DeleteVolume, { volume_id: volumeId, secrets });
}

async function createSnapshot(volumeId: string, name: string): Promise<string> {
  const request = { source_volume_id: volumeId, name, secrets };
  const { snapshot } = await driver.rbd.call(csi.Controller.CreateSnapshot, request);
  return snapshot?.snapshot_id ?? '';
}

async function deleteSnapshots(...snapshotIds: readonly string[]): Promise<void> {
  for (const snapshot_id of snapshotIds) {
    await driver.rbd.call(csi.Controller.DeleteSnapshot, { snapshot_id, secrets });
  }
}

function specOf(volumeId: string): string {
  const { pool, image } = requireVolumePlace(volumeId);
  return `${pool}/${image}`;
}

/** Writes and discards at random places; the same for the same seed. */
async function change(volumeId: string, seed: number, count: number, size = SIZE): Promise<void> {
  const path = join(driver.directory, 'changes');
  await writeDiffFile(path, size, chooseChanges(seed, size, count));
  await rbd('import-diff', '--no-progress', path, specOf(volumeId));
  await rm(path);
}

/** What a snapshot holds, to the last byte. */
async function exportSnapshot(volumeId: string, name: string): Promise<Buffer> {
  const path = join(driver.directory, 'export');
  await rbd('export', '--no-progress', `${specOf(volumeId)}@csi-snap-${name}`, path);
  const content = await readFile(path);
  await rm(path);
  return content;
}

interface Options {
  readonly starting_offset?: number;
  readonly max_results?: number;
}

type Messages = AsyncIterable<GetMetadataAllocatedResponse__Output>;

function streamAllocated(snapshotId: string, options: Options = {}): Messages {
  const request = { snapshot_id: snapshotId, secrets, ...options };
  return driver.rbd.stream(csi.SnapshotMetadata.GetMetadataAllocated, request);
}

function streamDelta(base: string, target: string, options: Options = {}): Messages {
  const request = { base_snapshot_id: base, target_snapshot_id: target, secrets, ...options };
  return driver.rbd.stream(csi.SnapshotMetadata.GetMetadataDelta, request);
}

interface Block {
  readonly offset: number;
  readonly size: number;
}

function blocksOf({ block_metadata }: GetMetadataAllocatedResponse__Output): Block[] {
  return block_metadata.map(block => ({ offset: Number(block.byte_offset), size: Number(block.size_bytes) }));
}

async function readBlocks(messages: Messages): Promise<{ blocks: Block[]; capacity: number }> {
  const blocks: Block[] = [];
  let capacity = 0;
  for await (const message of messages) {
    expect(message.block_metadata_type).toBe('VARIABLE_LENGTH');
    capacity = Number(message.volume_capacity_bytes);
    blocks.push(...blocksOf(message));
  }
  return { blocks, capacity };
}

function expectOrder(blocks: readonly Block[], capacity: number): void {
  let end = 0;
  for (const { offset, size } of blocks) {
    expect(offset).toBeGreaterThanOrEqual(end);
    expect(size).toBeGreaterThan(0);
    end = offset + size;
  }
  expect(end).toBeLessThanOrEqual(capacity);
}

/** What a backup program does: its last copy, with the blocks that it is told of read from the snapshot. */
async function backUp(copy: Buffer, messages: Messages, content: Buffer): Promise<Buffer> {
  const { blocks, capacity } = await readBlocks(messages);
  expect(capacity).toBe(content.length);
  expectOrder(blocks, capacity);
  const next = Buffer.alloc(capacity);
  copy.copy(next);
  for (const { offset, size } of blocks) content.copy(next, offset, offset, offset + size);
  return next;
}

const EMPTY = Buffer.alloc(0);

describe.each([
  ['of the default layout', {}],
  ['that is striped', { objectSize: '1M', stripeUnit: '64K', stripeCount: '4' }],
  ['without an object map', { imageFeatures: 'layering,deep-flatten' }],
])('a volume %s', (title, parameters) => {
  const name = title.replaceAll(' ', '-');

  it('is rebuilt from a full backup and three changes', async () => {
    const volumeId = await createVolume(name, { parameters });
    const snapshots: string[] = [];
    let copy: Buffer = EMPTY;
    let size = SIZE;
    for (const turn of [0, 1, 2, 3]) {
      if (turn === 2) {
        size += 8 * MIB;
        const request = { volume_id: volumeId, capacity_range: { required_bytes: size }, secrets };
        await driver.rbd.call(csi.Controller.ControllerExpandVolume, request);
      }
      await change(volumeId, turn, turn === 0 ? 40 : 8, size);
      const snapshotName = `${name}-${turn}`;
      const target = await createSnapshot(volumeId, snapshotName);
      const base = snapshots.at(-1);
      snapshots.push(target);
      const content = await exportSnapshot(volumeId, snapshotName);
      const messages = base === undefined ? streamAllocated(target) : streamDelta(base, target);
      copy = await backUp(copy, messages, content);
      expect(copy.equals(content), `the copy after turn ${turn}`).toBe(true);
    }
    const { blocks } = await readBlocks(streamDelta(snapshots[2] ?? '', snapshots[3] ?? ''));
    const changed = blocks.reduce((sum, block) => sum + block.size, 0);
    expect(changed).toBeLessThan(size / 2);
    await deleteVolume(volumeId);
    // The snapshots outlive their volume.
    expect((await readBlocks(streamAllocated(snapshots[3] ?? ''))).capacity).toBe(size);
    await deleteSnapshots(...snapshots);
  });
});

it('a restored volume is rebuilt, with what it shares with its source, also across a flatten', async () => {
  const sourceId = await createVolume('source');
  await change(sourceId, 10, 40);
  const origin = await createSnapshot(sourceId, 'origin');
  const volumeId = await createVolume('restored', {
    volume_content_source: { snapshot: { snapshot_id: origin } },
  });
  const snapshots: string[] = [];
  let copy: Buffer = EMPTY;
  for (const turn of [0, 1, 2]) {
    if (turn === 2) await rbd('flatten', '--no-progress', specOf(volumeId));
    await change(volumeId, 20 + turn, 6);
    const target = await createSnapshot(volumeId, `restored-${turn}`);
    const base = snapshots.at(-1);
    snapshots.push(target);
    const content = await exportSnapshot(volumeId, `restored-${turn}`);
    copy = await backUp(
      copy,
      base === undefined ? streamAllocated(target) : streamDelta(base, target),
      content,
    );
    expect(copy.equals(content), `the copy after turn ${turn}`).toBe(true);
  }
  await deleteSnapshots(...snapshots, origin);
  await deleteVolume(volumeId);
  await deleteVolume(sourceId);
});

describe('a stream', () => {
  it('is taken up where it was left, message by message', async () => {
    const volumeId = await createVolume('resumed');
    await change(volumeId, 30, 60);
    const snapshotId = await createSnapshot(volumeId, 'resumed');
    const { blocks: all } = await readBlocks(streamAllocated(snapshotId));
    expect(all.length).toBeGreaterThan(4);

    const resumed: Block[] = [];
    for (let offset = 0; offset < SIZE;) {
      let end = SIZE;
      for await (const message of streamAllocated(snapshotId, { starting_offset: offset, max_results: 2 })) {
        const blocks = blocksOf(message);
        expect(blocks.length).toBeLessThanOrEqual(2);
        resumed.push(...blocks);
        const last = blocks.at(-1);
        if (last !== undefined) end = last.offset + last.size;
        break;
      }
      offset = end;
    }
    expect(resumed).toEqual(all);

    const [first] = all;
    const middle = (first?.offset ?? 0) + 512;
    const { blocks } = await readBlocks(streamAllocated(snapshotId, { starting_offset: middle }));
    expect(blocks[0]).toEqual({ offset: middle, size: (first?.size ?? 0) - 512 });
    expect(await readBlocks(streamAllocated(snapshotId, { starting_offset: SIZE }))).toEqual({
      blocks: [],
      capacity: SIZE,
    });
    await deleteSnapshots(snapshotId);
    await deleteVolume(volumeId);
  });
});

async function expectFailure(messages: Messages, code: status, details: string): Promise<void> {
  await expect(readBlocks(messages)).rejects.toMatchObject({
    code,
    details: expect.stringContaining(details) as string,
  });
}

it('what cannot be told is refused with its reason', async () => {
  const volumeId = await createVolume('refused');
  const otherId = await createVolume('refused-other');
  const first = await createSnapshot(volumeId, 'refused-1');
  const second = await createSnapshot(volumeId, 'refused-2');
  const other = await createSnapshot(otherId, 'refused-3');

  await expectFailure(streamAllocated(''), status.INVALID_ARGUMENT, 'snapshot_id');
  await expectFailure(streamAllocated('nobody-gave-this'), status.NOT_FOUND, 'snapshot_id');
  await expectFailure(streamDelta('nobody-gave-this', first), status.NOT_FOUND, 'base_snapshot_id');
  await expectFailure(
    streamAllocated(first, { starting_offset: SIZE + 1 }),
    status.OUT_OF_RANGE,
    'starting_offset',
  );
  await expectFailure(streamDelta(first, other), status.INVALID_ARGUMENT, 'another volume');
  await expectFailure(streamDelta(second, first), status.INVALID_ARGUMENT, 'later than');
  expect(await readBlocks(streamDelta(first, second))).toEqual({ blocks: [], capacity: SIZE });
  expect(await readBlocks(streamDelta(first, first))).toEqual({ blocks: [], capacity: SIZE });

  await deleteSnapshots(first, second, other);
  await expectFailure(streamAllocated(first), status.NOT_FOUND, 'snapshot_id');
  await expectFailure(streamDelta(first, second), status.NOT_FOUND, 'base_snapshot_id');
  await deleteVolume(volumeId);
  await deleteVolume(otherId);
});

it('the service is announced', async () => {
  const { capabilities } = await driver.rbd.call(csi.Identity.GetPluginCapabilities, {});
  expect(capabilities.map(({ service }) => service?.type)).toContain('SNAPSHOT_METADATA_SERVICE');
});
