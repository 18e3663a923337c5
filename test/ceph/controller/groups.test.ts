import { describe, expect, it } from 'vitest';
import { canRestoreFromGroups } from '../../../src/ceph/rbd-group.ts';
import { createExec } from '../../../src/exec/run.ts';
import type { VolumeGroupSnapshot } from '../../../src/model/group-snapshot-backend.ts';
import type { Snapshot, Volume } from '../../../src/model/volume.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { cluster, listImages, rbd } from '../harness/cluster.ts';
import { readCounters, startAlternatingWriter } from './alternating-writer.ts';
import {
  createCall,
  createChance,
  createController,
  createKillingExec,
  eventually,
  secrets,
  SETTLE_BOUND,
  useController,
  type TestController,
} from './fixture.ts';

const controller = useController();
const pool = cluster.pools.replicated;

const isOffered = await canRestoreFromGroups(createExec(), createTestContext());
if (!isOffered)
  process.stdout.write('not run: group snapshots; the rbd of this release cannot restore them\n');

function specOf(name: string, volumes: readonly Volume[]) {
  return { name, sourceVolumeIds: volumes.map(({ volumeId }) => volumeId), parameters: {}, secrets };
}

function group(name: string, volumes: readonly Volume[], by: TestController = controller) {
  return by.createGroupSnapshot(specOf(name, volumes), createCall());
}

function referenceTo({ groupSnapshotId, snapshots }: VolumeGroupSnapshot) {
  return { groupSnapshotId, snapshotIds: snapshots.map(({ snapshotId }) => snapshotId), secrets };
}

function removeGroup(snapshot: VolumeGroupSnapshot, by: TestController = controller) {
  return by.deleteGroupSnapshot(referenceTo(snapshot), createCall());
}

const from = ({ snapshotId }: Snapshot) => ({ type: 'snapshot', snapshotId }) as const;

/** The group's snapshot of the volume. */
function partOf({ snapshots }: VolumeGroupSnapshot, { volumeId }: Volume): Snapshot {
  const found = snapshots.find(({ sourceVolumeId }) => sourceVolumeId === volumeId);
  if (found === undefined) throw new Error(`there is no snapshot of ${volumeId}`);
  return found;
}

async function createPair(name: string): Promise<readonly [Volume, Volume]> {
  return await Promise.all([controller.create(`${name}-a`), controller.create(`${name}-b`)]);
}

it('are offered by releases whose rbd restores single snapshots of a group', async () => {
  const release = Number(/version (\d+)\./.exec(await rbd('--version'))?.[1]);
  expect(isOffered).toBe(release >= 19);
});

describe.runIf(isOffered)('group snapshots', () => {
  it('are made, found again, restored, and deleted after their volumes', async () => {
    const [a, b] = await createPair('life');
    const made = await group('life', [a, b]);
    expect(made.readyToUse).toBe(true);
    expect(made.snapshots.map(({ sourceVolumeId }) => sourceVolumeId).sort()).toEqual(
      [a.volumeId, b.volumeId].sort(),
    );
    expect(await group('life', [b, a])).toEqual(made);
    expect(await controller.getGroupSnapshot(referenceTo(made), createCall())).toEqual(made);
    await expect(group('life', [a])).rejects.toMatchObject({ kind: 'already-exists' });

    const part = partOf(made, a);
    expect(part.groupSnapshotId).toBe(made.groupSnapshotId);
    const reference = { snapshotId: part.snapshotId, secrets };
    expect(await controller.getSnapshot?.(reference, createCall())).toEqual(part);
    const listed = await controller.listSnapshots?.({ maximumEntries: 0, secrets }, createCall());
    expect(listed?.entries).toEqual(expect.arrayContaining([...made.snapshots]));
    const ofVolume = { maximumEntries: 0, secrets, sourceVolumeId: a.volumeId };
    expect((await controller.listSnapshots?.(ofVolume, createCall()))?.entries).toEqual([part]);
    await expect(controller.removeSnapshot(part)).rejects.toMatchObject({ kind: 'failed-precondition' });

    // Volumes are free for another group, and to be deleted, at once.
    const second = await group('life-2', [a, b]);
    await removeGroup(second);
    await controller.remove(a);
    await controller.remove(b);
    const restored = await controller.create('life-restored', from(part));
    await removeGroup(made);
    await removeGroup(made);
    await expect(controller.getGroupSnapshot(referenceTo(made), createCall())).rejects.toMatchObject({
      kind: 'not-found',
    });
    await controller.remove(restored);
    await eventually(async () => {
      expect((await listImages()).filter(name => name.includes('life'))).toEqual([]);
    });
  });

  it('are refused where Ceph makes none of these volumes together', async () => {
    const [a, b] = await createPair('refused');
    const missing = { ...a, volumeId: `${a.volumeId}-gone` };
    await expect(group('refused', [a, missing])).rejects.toMatchObject({ kind: 'not-found' });
    const elsewhere = { ...a, volumeId: a.volumeId.replace(cluster.clusterId, 'elsewhere') };
    await expect(group('refused', [a, elsewhere])).rejects.toMatchObject({ kind: 'failed-precondition' });

    await rbd('group', 'create', `${pool}/foreign`);
    await rbd('group', 'image', 'add', `${pool}/foreign`, `${pool}/csi-vol-refused-b`);
    await expect(group('refused', [a, b])).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('csi-vol-refused-b') as string,
    });
    await expect(controller.remove(b)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await rbd('group', 'rm', `${pool}/foreign`);

    const made = await group('refused', [a, b]);
    const other = { ...referenceTo(made), snapshotIds: [partOf(made, a).snapshotId] };
    await expect(controller.deleteGroupSnapshot(other, createCall())).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
    await removeGroup(made);
    await Promise.all([controller.remove(a), controller.remove(b)]);
  });

  it('leave nothing in whatever order all is deleted', { timeout: 4 * SETTLE_BOUND }, async () => {
    const orders = [0, 1, 2, 3].flatMap(first =>
      [0, 1, 2, 3].flatMap(second =>
        [0, 1, 2, 3].flatMap(third => [0, 1, 2, 3].map(fourth => [first, second, third, fourth] as const)),
      ),
    );
    const permutations = orders.filter(order => new Set(order).size === 4).values();
    async function runOrder(order: readonly number[]): Promise<void> {
      const name = `orders-${order.join('')}`;
      const [a, b] = await createPair(name);
      const made = await group(name, [a, b]);
      const restored = await controller.create(`${name}-restored`, from(partOf(made, a)));
      const deletions = [
        () => controller.remove(a),
        () => controller.remove(b),
        () => removeGroup(made),
        () => controller.remove(restored),
      ];
      for (const step of order) await eventually(deletions[step] ?? (() => Promise.resolve()));
    }
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (const order of permutations) await runOrder(order);
      }),
    );
    await eventually(async () => {
      expect((await listImages()).filter(name => name.includes('orders-'))).toEqual([]);
    });
  });

  it('show one point in time of volumes that are written to meanwhile', async () => {
    const [a, b] = await createPair('written');
    const images = ['csi-vol-written-a', 'csi-vol-written-b'] as const;
    const writer = await startAlternatingWriter(pool, images);
    for (const round of [1, 2, 3]) {
      const made = await eventually(() => group(`written-${round}`, [a, b]));
      const restored = await Promise.all(
        [a, b].map(volume =>
          controller.create(`${volume.volumeId.at(-1) ?? ''}-of-${round}`, from(partOf(made, volume))),
        ),
      );
      const [first = 0, second = 0] = await readCounters(pool, [
        `csi-vol-a-of-${round}`,
        `csi-vol-b-of-${round}`,
      ]);
      // The first image is always written before the second, and each write is complete before the next one begins.
      expect(first).toBeGreaterThan(0);
      expect([second, second + 1]).toContain(first);
      await removeGroup(made);
      await Promise.all(restored.map(volume => controller.remove(volume)));
    }
    await writer.stop();
    await Promise.all([a, b].map(volume => eventually(() => controller.remove(volume))));
  });

  it('are whole or not there when programs are killed', { timeout: 3 * SETTLE_BOUND }, async () => {
    const indexes = Array.from({ length: 12 }, (_, index) => index).values();
    async function run(index: number): Promise<void> {
      const name = `shaken-${index}`;
      const shaky = createController(createKillingExec(createChance(7000 + index)));
      const [a, b] = await createPair(name);
      await group(name, [a, b], shaky).catch(() => undefined);
      // An attempt that is never repeated does not hold up another one.
      if (index % 3 === 0) await eventually(() => group(`${name}-other`, [a, b]).then(removeGroup));
      const made = await eventually(() => group(name, [a, b]));
      expect(made.snapshots).toHaveLength(2);
      const restored = await eventually(() => controller.create(`${name}-restored`, from(partOf(made, b))));
      await removeGroup(made, shaky).catch(() => undefined);
      await eventually(() => controller.remove(a));
      await eventually(() => removeGroup(made));
      await eventually(() => controller.remove(b));
      await eventually(() => controller.remove(restored));
      await shaky.drain();
    }
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (const index of indexes) await run(index);
      }),
    );
    await eventually(async () => {
      expect((await listImages()).filter(image => image.includes('shaken-'))).toEqual([]);
      expect(await rbd('group', 'ls', '--pool', pool)).toBe('');
    });
  });
});
