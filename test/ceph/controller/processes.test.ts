import { expect, it } from 'vitest';
import { createExec } from '../../../src/exec/run.ts';
import { listImages } from '../harness/cluster.ts';
import { createCall, createController, eventually, secrets, SIZE, useController } from './fixture.ts';

useController();

it('a volume lives its life where each Ceph command is a process', async () => {
  const controller = createController(createExec());
  const volume = await controller.create('by-process');
  expect(await controller.create('by-process')).toEqual(volume);
  const snapshot = await controller.snapshot('by-process', volume);
  expect(await controller.snapshot('by-process', volume)).toEqual(snapshot);
  const restored = await controller.create('by-process-restored', {
    type: 'snapshot',
    snapshotId: snapshot.snapshotId,
  });
  const cloned = await controller.create('by-process-cloned', { type: 'volume', volumeId: volume.volumeId });
  const expansion = { volumeId: volume.volumeId, secrets, capacity: { requiredBytes: 2n * SIZE } };
  expect(await controller.expandVolume(expansion, createCall())).toMatchObject({ capacityBytes: 2n * SIZE });
  const listed = await controller.listVolumes?.({ maximumEntries: 0 }, createCall());
  const ids = listed?.entries.map(entry => entry.volume.volumeId);
  expect(ids).toEqual(expect.arrayContaining([volume, restored, cloned].map(({ volumeId }) => volumeId)));

  await controller.remove(volume);
  await controller.removeSnapshot(snapshot);
  for (const copy of [restored, cloned]) await eventually(() => controller.remove(copy));
  expect((await listImages()).join()).not.toContain('by-process');
});
