import { expect, it } from 'vitest';
import { cluster, rbd, values } from '../harness/cluster.ts';
import { createCall, useController } from './fixture.ts';

const controller = useController();

it('lists volumes page by page, and only volumes', async () => {
  const foreign = `${cluster.pools.replicated}/list-foreign`;
  await rbd('create', '--size', '64M', foreign);
  const names = ['list-a', 'list-b', 'list-c'];
  const volumes = await Promise.all(names.map(name => controller.create(name)));
  const listed: string[] = [];
  let token: string | undefined;
  do {
    const request = { maximumEntries: 2, ...(token === undefined ? {} : { startingToken: token }) };
    const page = await controller.listVolumes?.(request, createCall());
    expect(page?.entries.length).toBeLessThanOrEqual(2);
    listed.push(...(page?.entries ?? []).map(entry => entry.volume.volumeId));
    token = page?.nextToken;
  } while (token !== undefined);
  expect(listed.filter(id => id.includes('list-'))).toEqual(volumes.map(({ volumeId }) => volumeId));

  const bad = { maximumEntries: 2, startingToken: 'nonsense' };
  await expect(controller.listVolumes?.(bad, createCall())).rejects.toMatchObject({ kind: 'aborted' });
  await Promise.all(volumes.map(volume => controller.remove(volume)));
  await rbd('rm', foreign);
});

it('lists snapshots of all volumes, of one, and one', async () => {
  const [one, two] = await Promise.all([controller.create('list-d'), controller.create('list-e')]);
  const first = await controller.snapshot('list-1', one);
  const second = await controller.snapshot('list-2', two);
  const list = async (wish: { snapshotId?: string; sourceVolumeId?: string }) =>
    (await controller.listSnapshots?.({ maximumEntries: 0, secrets: {}, ...wish }, createCall()))?.entries;
  expect(await list({})).toEqual([first, second]);
  expect(await list({ sourceVolumeId: two.volumeId })).toEqual([second]);
  expect(await list({ snapshotId: first.snapshotId })).toEqual([first]);
  expect(await list({ snapshotId: 'nonsense' })).toEqual([]);
  await controller.removeSnapshot(first);
  expect(await list({ snapshotId: first.snapshotId })).toEqual([]);
  await controller.removeSnapshot(second);
  await Promise.all([controller.remove(one), controller.remove(two)]);
});

it('tells the state of a volume', async () => {
  const volume = await controller.create('list-f');
  expect(await controller.getVolume?.(volume.volumeId, createCall())).toMatchObject({
    volume: { volumeId: volume.volumeId, capacityBytes: volume.capacityBytes },
    condition: { abnormal: false },
  });
  await controller.remove(volume);
  await expect(controller.getVolume?.(volume.volumeId, createCall())).rejects.toMatchObject({
    kind: 'not-found',
  });
});

it('tells what can still be provisioned', async () => {
  const { parameters } = values.rbd;
  const dataPool = { ...parameters, dataPool: cluster.pools.erasureCoded };
  for (const asked of [{}, parameters, dataPool]) {
    const capacity = await controller.getCapacity?.({ capabilities: [], parameters: asked }, createCall());
    expect(capacity?.availableBytes).toBeGreaterThan(0n);
  }
  const unknown = { ...parameters, pool: 'nowhere' };
  await expect(
    controller.getCapacity?.({ capabilities: [], parameters: unknown }, createCall()),
  ).rejects.toMatchObject({ kind: 'invalid-argument' });
});
