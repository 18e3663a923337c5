import { expect, it } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import type { Snapshot, Volume } from '../../../src/model/volume.ts';
import { ceph, cluster, listImages, listTrash, rados, rbd } from '../harness/cluster.ts';
import { createCall, eventually, SETTLE_BOUND, secrets, SIZE, specOf, useController } from './fixture.ts';
import { hashImage } from './image-content.ts';

const controller = useController();
const pool = cluster.pools.replicated;

const from = ({ snapshotId }: Snapshot) => ({ type: 'snapshot', snapshotId }) as const;
const of = ({ volumeId }: Volume) => ({ type: 'volume', volumeId }) as const;

/** All orders of the elements. */
function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) =>
    permutations(items.filter((_, other) => other !== index)).map(rest => [item, ...rest]),
  );
}

async function writeData(image: string, pattern: string): Promise<void> {
  const args = ['--io-type', 'write', '--io-size', '64K', '--io-total', '1M', '--io-pattern', pattern];
  await rbd('bench', ...args, `${pool}/${image}`);
}

it('makes a snapshot once, and refuses its name for another volume, also after the index is lost', async () => {
  const [volume, other] = await Promise.all([controller.create('snap-1'), controller.create('snap-2')]);
  const snapshot = await controller.snapshot('one', volume);
  expect(snapshot).toMatchObject({ sourceVolumeId: volume.volumeId, sizeBytes: SIZE, readyToUse: true });
  expect(Math.abs(snapshot.createdAt.getTime() - Date.now())).toBeLessThan(SETTLE_BOUND);
  expect(await controller.snapshot('one', volume)).toEqual(snapshot);
  expect(await controller.getSnapshot?.({ snapshotId: snapshot.snapshotId, secrets }, createCall())).toEqual(
    snapshot,
  );
  await expect(controller.snapshot('one', other)).rejects.toMatchObject({ kind: 'already-exists' });

  await rados('--pool', pool, 'rm', 'csi-driver-ceph.snapshots');
  expect(await controller.snapshot('one', volume)).toEqual(snapshot);
  await expect(controller.snapshot('one', other)).rejects.toMatchObject({ kind: 'already-exists' });
  await rados('--pool', pool, 'rm', 'csi-driver-ceph.snapshots');
  await controller.removeSnapshot(snapshot);
  await controller.removeSnapshot(snapshot);
  await controller.removeSnapshot(await controller.snapshot('one', other));
  await Promise.all([controller.remove(volume), controller.remove(other)]);
});

it('restores and clones what the volume held', async () => {
  const parameters = { ...specOf('').parameters, 'csi.storage.k8s.io/pvc/name': 'first' };
  const volume = await controller.createVolume(specOf('data', { parameters }), createCall());
  await writeData('csi-vol-data', 'seq');
  const snapshot = await controller.snapshot('of-data', volume);
  const content = await hashImage('csi-vol-data');

  const restored = await controller.createVolume(
    specOf('data-restored', {
      source: from(snapshot),
      capacity: { requiredBytes: 2n * SIZE },
      parameters: { ...parameters, 'csi.storage.k8s.io/pvc/name': 'second', imageFeatures: 'layering' },
    }),
    createCall(),
  );
  expect(restored).toMatchObject({ capacityBytes: 2n * SIZE, source: from(snapshot) });
  const metadata = await rbd(
    'image-meta',
    'get',
    `${pool}/csi-vol-data-restored`,
    'csi.storage.k8s.io/pvc/name',
  );
  expect(metadata.trim()).toBe('second');
  const cloned = await controller.createVolume(
    specOf('data-cloned', { source: of(volume), capacity: {} }),
    createCall(),
  );
  expect(cloned.capacityBytes).toBe(volume.capacityBytes);
  await writeData('csi-vol-data', 'rand');
  expect(await hashImage('csi-vol-data-cloned')).toBe(content);
  expect(await hashImage('csi-vol-data-restored')).toBe(content);

  await expect(controller.create('data-restored')).rejects.toMatchObject({ kind: 'already-exists' });
  await expect(controller.create('data-restored', of(volume))).rejects.toMatchObject({
    kind: 'already-exists',
  });
  for (const one of [volume, restored, cloned]) await controller.remove(one);
  await controller.removeSnapshot(snapshot);
  await expect(controller.create('data-late', from(snapshot))).rejects.toMatchObject({ kind: 'not-found' });
  await expect(controller.create('data-late', of(volume))).rejects.toMatchObject({ kind: 'not-found' });
});

it('restores into another pool, with the data in a third', async () => {
  const other = 'rbd-other';
  const admin = {
    userID: new Secret('admin'),
    userKey: new Secret((await ceph('auth', 'get-key', 'client.admin')).trim()),
  };
  const volume = await controller.create('here');
  await writeData('csi-vol-here', 'seq');
  const content = await hashImage('csi-vol-here');
  const snapshot = await controller.snapshot('of-here', volume);
  await ceph('osd', 'pool', 'create', other, '8');
  try {
    await rbd('pool', 'init', other);
    const { parameters } = specOf('');
    const elsewhere = { ...parameters, pool: other, dataPool: cluster.pools.erasureCoded };
    const wish = { source: from(snapshot), parameters: elsewhere, secrets: admin };
    const restored = await controller.createVolume(specOf('there', wish), createCall());
    expect(restored.volumeId).toBe(`rbd1/${cluster.clusterId}/${other}/csi-vol-there`);
    await controller.remove(volume);
    await controller.removeSnapshot(snapshot);
    expect(await hashImage('csi-vol-there', other)).toBe(content);
    await controller.deleteVolume({ volumeId: restored.volumeId, secrets: admin }, createCall());
    await eventually(async () => expect(await listTrash(other)).toEqual([]));
  } finally {
    await ceph('osd', 'pool', 'delete', other, other, '--yes-i-really-really-mean-it');
  }
});

it('lists the snapshots of a deleted volume, and restores from them', async () => {
  const volume = await controller.create('gone');
  const snapshot = await controller.snapshot('of-gone', volume);
  await controller.remove(volume);
  expect(await listImages()).not.toContain('csi-vol-gone');
  const query = { maximumEntries: 0, sourceVolumeId: volume.volumeId, secrets };
  expect(await controller.listSnapshots?.(query, createCall())).toEqual({ entries: [snapshot] });
  const again = await controller.create('gone');
  const restored = await controller.create('gone-restored', from(snapshot));
  await controller.removeSnapshot(snapshot);
  await Promise.all([controller.remove(again), controller.remove(restored)]);
});

it('leaves nothing in whatever order all is deleted', { timeout: 5 * SETTLE_BOUND }, async () => {
  const orders = permutations([0, 1, 2, 3] as const);
  expect(orders).toHaveLength(24);
  async function runOrder(order: readonly (0 | 1 | 2 | 3)[], index: number): Promise<void> {
    const volume = await controller.create(`order-${index}`);
    const snapshot = await controller.snapshot(`order-${index}`, volume);
    const restored = await controller.create(`order-${index}-restored`, from(snapshot));
    const cloned = await controller.create(`order-${index}-cloned`, of(restored));
    const deletions = [
      () => controller.remove(volume),
      () => controller.removeSnapshot(snapshot),
      () => controller.remove(restored),
      () => controller.remove(cloned),
    ] as const;
    for (const step of order) await eventually(deletions[step]);
  }
  await Promise.all(orders.map(runOrder));
  await eventually(async () => {
    const left = (await rados('--pool', pool, 'ls')).split('\n').filter(name => name.startsWith('rbd_id.'));
    expect(left.filter(name => name.includes('order-'))).toEqual([]);
  });
});

it('keeps chains of clones short', { timeout: 5 * SETTLE_BOUND }, async () => {
  const chain = [await controller.create('chain-0')];
  await writeData('csi-vol-chain-0', 'seq');
  const content = await hashImage('csi-vol-chain-0');
  for (let link = 1; link <= 40; link++) {
    const source = chain.at(-1);
    if (source === undefined) break;
    chain.push(await controller.create(`chain-${link}`, of(source)));
  }
  const depths = await Promise.all(
    chain.map(async (_, link) => {
      let depth = 0;
      for (let spec = `${pool}/csi-vol-chain-${link}`; ; depth++) {
        const { parent } = JSON.parse(await rbd('info', '--format', 'json', spec)) as {
          parent?: { image: string };
        };
        if (parent === undefined) return depth;
        spec = `${pool}/${parent.image}`;
      }
    }),
  );
  expect(Math.max(...depths)).toBeLessThanOrEqual(8);
  expect(await hashImage('csi-vol-chain-40')).toBe(content);
  await Promise.all(chain.map(volume => eventually(() => controller.remove(volume))));
});
