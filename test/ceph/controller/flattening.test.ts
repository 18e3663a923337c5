import { rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { Volume } from '../../../src/model/volume.ts';
import { cluster, rados, rbd } from '../harness/cluster.ts';
import { createCall, createController, eventually, useController } from './fixture.ts';

const controller = useController();
const pool = cluster.pools.replicated;
const of = ({ volumeId }: Volume) => ({ type: 'volume', volumeId }) as const;

async function readInfo(image: string): Promise<{ id: string; parent?: object; snapshot_count: number }> {
  const text = await rbd('info', '--format', 'json', `${pool}/${image}`);
  return JSON.parse(text) as { id: string; parent?: object; snapshot_count: number };
}

it('makes room for more clones of a volume by flattening earlier ones', async () => {
  const limited = createController(undefined, { comfortableSnapshots: 3, mostSnapshots: 5 });
  const golden = await limited.create('golden');
  const clones: Volume[] = [];
  for (let count = 0; count < 8; count++) {
    clones.push(await eventually(() => limited.create(`golden-${count}`, of(golden))));
  }
  await eventually(async () => {
    expect((await readInfo('csi-vol-golden')).snapshot_count).toBeLessThanOrEqual(5);
    expect((await readInfo('csi-vol-golden-0')).parent).toBeUndefined();
  });
  for (const volume of [golden, ...clones]) await eventually(() => limited.remove(volume));
  await eventually(async () => {
    expect(await rbd('trash', 'ls', '--all', pool)).not.toContain('csi-vol-golden');
  });
  await limited.drain();
});

it('makes an image whose flattening was killed at its end usable again', async () => {
  const source = await controller.create('mend-source');
  const volume = await controller.create('mend', of(source));
  const { id } = await readInfo('csi-vol-mend');
  // What such a kill leaves: no child at the parent, whose snapshot goes with it, but a parent at the child.
  await rados('--pool', pool, 'setomapval', 'csi-driver-ceph.flattening', id, 'csi-vol-mend');
  const header = `rbd_header.${id}`;
  const file = `/dev/shm/csi-test-${process.pid}`;
  await rados('--pool', pool, 'getomapval', header, 'parent', file);
  await rbd('flatten', '--no-progress', `${pool}/csi-vol-mend`);
  await controller.remove(source);
  await eventually(async () => {
    expect(await rbd('trash', 'ls', '--all', pool)).not.toContain('csi-vol-mend-source');
  });
  await rados('--pool', pool, 'setomapval', header, 'parent', '--input-file', file);
  await rm(file);
  await expect(rbd('info', `${pool}/csi-vol-mend`)).rejects.toThrow();
  expect(await controller.getVolume?.(volume.volumeId, createCall())).toMatchObject({
    condition: { abnormal: true },
  });

  createController().start();
  await eventually(async () => expect((await readInfo('csi-vol-mend')).parent).toBeUndefined());
  expect(await rados('--pool', pool, 'listomapkeys', 'csi-driver-ceph.flattening')).toBe('');
  await controller.remove(volume);
});
