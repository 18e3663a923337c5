import { execFile } from 'node:child_process';
import { appendFile, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { csi } from '../../../src/grpc/contract.ts';
import { listSubvolumes, values } from '../harness/cluster.ts';
import { clients } from '../harness/clients.ts';
import { useDriver } from '../harness/driver.ts';
import { createCalls, fromSnapshot, fromVolume, MIB } from './fixture.ts';

const driver = useDriver({ flags: ['--mounter', clients.mounter] });
const calls = createCalls(driver);

/** An extended attribute of a directory; Ceph's programs bring a Python. */
async function readAttribute(path: string, name: string): Promise<string> {
  const program = 'import os, sys; print(os.getxattr(sys.argv[1], sys.argv[2]).decode())';
  return (await promisify(execFile)('python3', ['-c', program, path, name])).stdout.trim();
}

const PIECE = Buffer.alloc(8 * MIB, 'x');
/** Clients learn of what is used, and of a new quota, some seconds late. */
const PAUSE = 100;
const MAXIMUM_PIECES = 600;

/**
 * Writes files of 8 MiB, each through to the cluster, until `isDone` or, within a bound that is far above what the
 * volumes here hold, an error; resolves to the error.
 */
async function fill(path: string, isDone: (pieces: number) => boolean): Promise<unknown> {
  for (let count = 0; count < MAXIMUM_PIECES && !isDone(count); count += 1) {
    try {
      await writeFile(join(path, `piece-${count}`), PIECE, { flush: true });
    } catch (error) {
      return error;
    }
    await sleep(PAUSE);
  }
  return undefined;
}

test('nodes see each other’s files, whatever the names', async () => {
  const volume = await calls.create('shared');
  const here = await calls.stage(volume, 'here');
  const there = await calls.stage(volume, 'there');
  const names = ['plain', 'mit Leerzeichen', 'äöü', '日本語', '🐙', 'a"b\'c\\d', '-rf'];
  for (const name of names) await writeFile(join(here.path, name), `content of ${name}`);
  expect((await readdir(there.path)).toSorted()).toEqual(names.toSorted());
  for (const name of names) {
    expect(await readFile(join(there.path, name), 'utf8')).toBe(`content of ${name}`);
  }
  await appendFile(join(there.path, 'plain'), ' and more');
  expect(await readFile(join(here.path, 'plain'), 'utf8')).toBe('content of plain and more');
  await here.unstage();
  await there.unstage();
  await calls.remove(volume);
});

test('a volume holds what its size says, and more after it has grown', async () => {
  const volume = await calls.create('small');
  const { path, unstage } = await calls.stage(volume, 'small');
  expect(await fill(path, () => false)).toMatchObject({ errno: -constants.errno.EDQUOT });
  const { length } = await readdir(path);
  await calls.expand(volume, 8192 * MIB);
  const end = Date.now() + 60_000;
  let error = await fill(path, pieces => pieces > length + 4);
  while (error !== undefined && Date.now() < end) error = await fill(path, pieces => pieces > length + 4);
  expect(error).toBeUndefined();
  const again = await calls.create('small', { capacity_range: { required_bytes: 8192 * MIB } });
  expect(again.volume_id).toBe(volume.volume_id);
  await unstage();
  await calls.remove(volume);
});

test('nothing can be written to a volume that is staged for reading', async () => {
  const volume = await calls.create('read-only');
  const { path, unstage } = await calls.stage(volume, 'read-only', 'MULTI_NODE_READER_ONLY');
  await expect(writeFile(join(path, 'file'), 'x')).rejects.toThrow(/EROFS/);
  await unstage();
  await calls.remove(volume);
});

test('a restore has what the snapshot had, a clone what the volume has', async () => {
  const volume = await calls.create('source');
  const source = await calls.stage(volume, 'source');
  await writeFile(join(source.path, 'file'), 'before');
  const taken = await calls.snapshot('taken', volume);
  expect(await calls.snapshot('taken', volume)).toEqual(taken);
  await writeFile(join(source.path, 'file'), 'after');

  const wish = { capacity_range: { required_bytes: 128 * MIB } };
  const restored = await calls.create('restored', { ...fromSnapshot(taken), ...wish });
  const cloned = await calls.create('cloned', fromVolume(volume));
  expect([restored.capacity_bytes, cloned.capacity_bytes]).toEqual([String(128 * MIB), String(64 * MIB)]);
  const restoredAt = await calls.stage(restored, 'restored');
  const clonedAt = await calls.stage(cloned, 'cloned');
  expect(await readFile(join(restoredAt.path, 'file'), 'utf8')).toBe('before');
  expect(await readFile(join(clonedAt.path, 'file'), 'utf8')).toBe('after');

  for (const staged of [source, restoredAt, clonedAt]) await staged.unstage();
  for (const made of [restored, cloned, volume]) await calls.remove(made);
  await calls.removeSnapshot(taken);
});

test('a snapshot outlives its volume, and can be restored', async () => {
  const volume = await calls.create('mortal');
  const staged = await calls.stage(volume, 'mortal');
  await writeFile(join(staged.path, 'file'), 'kept');
  const taken = await calls.snapshot('of-mortal', volume);
  await staged.unstage();
  await calls.remove(volume);

  const restored = await calls.create('revenant', fromSnapshot(taken));
  const restoredAt = await calls.stage(restored, 'revenant');
  expect(await readFile(join(restoredAt.path, 'file'), 'utf8')).toBe('kept');
  await restoredAt.unstage();
  await calls.remove(restored);
  await calls.removeSnapshot(taken);
  expect(await listSubvolumes()).not.toContain('csi-vol-mortal');
});

test('a copy is told from a copy of something else', async () => {
  const volumes = await Promise.all([calls.create('first-source'), calls.create('second-source')]);
  const copy = await calls.create('copied-once', fromVolume(volumes[0]));
  expect(await calls.create('copied-once', fromVolume(volumes[0]))).toEqual(copy);
  const refused = { code: status.ALREADY_EXISTS };
  await expect(calls.create('copied-once', fromVolume(volumes[1]))).rejects.toMatchObject(refused);
  await expect(calls.create('copied-once')).rejects.toMatchObject(refused);
  await Promise.all([copy, ...volumes].map(calls.remove));
});

test('a volume is pinned to metadata servers, and freed', async () => {
  const pinned = { mutable_parameters: { exportPin: '0', distributedPin: '1' } };
  const volume = await calls.create('pinned', pinned);
  expect(await calls.create('pinned', pinned)).toEqual(volume);
  // Ceph pins the directory above the one that the volume's Pods see.
  const [, clusterID = '', fsName = ''] = volume.volume_id.split('/');
  const rootPath = dirname(volume.volume_context['subvolumePath'] ?? '');
  const context = { staticVolume: 'true', clusterID, fsName, rootPath };
  const above = { ...volume, volume_id: 'above-pinned', volume_context: context };
  const { path, unstage } = await calls.stage(above, 'pinned');
  const readPin = () => readAttribute(path, 'ceph.dir.pin');
  expect(await readPin()).toBe('0');
  const modify = (mutable_parameters: Record<string, string>) =>
    driver.cephfs.call(csi.Controller.ControllerModifyVolume, {
      volume_id: volume.volume_id,
      mutable_parameters,
      secrets: values.cephfs.secrets,
    });
  await modify({ exportPin: '-1' });
  await modify({ exportPin: '-1', randomPin: '0.01' });
  await expect.poll(readPin, { timeout: 60_000 }).toBe('-1');
  await expect(modify({ randomPin: '0.9' })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  await unstage();
  await calls.remove(volume);
  await expect(modify({})).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test('the same snapshot name is refused for another volume, and free again when it is removed', async () => {
  const volumes = await Promise.all([calls.create('one'), calls.create('two')]);
  const taken = await calls.snapshot('name', volumes[0]);
  await expect(calls.snapshot('name', volumes[1])).rejects.toMatchObject({ code: status.ALREADY_EXISTS });
  await calls.removeSnapshot(taken);
  await calls.removeSnapshot(await calls.snapshot('name', volumes[1]));
  await Promise.all(volumes.map(calls.remove));
});

test('a hundred volumes are made and deleted, ten at a time', { timeout: 600_000 }, async () => {
  const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
  const rest = names.values();
  const work = async () => {
    for (const name of rest) {
      const volume = await calls.create(name);
      expect(await calls.create(name)).toEqual(volume);
      await calls.remove(volume);
    }
  };
  await Promise.all(Array.from({ length: 10 }, work));
  expect((await listSubvolumes()).filter(name => name.includes('many-'))).toEqual([]);
});

test('volumes and snapshots are listed page by page', async () => {
  const volumes = await Promise.all(['page-a', 'page-b', 'page-c'].map(name => calls.create(name)));
  const taken = await Promise.all(volumes.map((volume, index) => calls.snapshot(`page-${index}`, volume)));
  const seenVolumes: string[] = [];
  const seenSnapshots: string[] = [];
  for (let token = ''; ;) {
    const page = await driver.cephfs.call(csi.Controller.ListVolumes, {
      max_entries: 2,
      starting_token: token,
    });
    seenVolumes.push(...page.entries.map(entry => entry.volume?.volume_id ?? ''));
    if ((token = page.next_token) === '') break;
  }
  for (let token = ''; ;) {
    const page = await driver.cephfs.call(csi.Controller.ListSnapshots, {
      max_entries: 2,
      starting_token: token,
      secrets: values.cephfs.secrets,
    });
    seenSnapshots.push(...page.entries.map(entry => entry.snapshot?.snapshot_id ?? ''));
    if ((token = page.next_token) === '') break;
  }
  expect(seenVolumes).toEqual(expect.arrayContaining(volumes.map(({ volume_id }) => volume_id)));
  expect(new Set(seenVolumes).size).toBe(seenVolumes.length);
  expect(seenSnapshots).toEqual(expect.arrayContaining(taken.map(({ snapshot_id }) => snapshot_id)));
  expect(new Set(seenSnapshots).size).toBe(seenSnapshots.length);
  await Promise.all(taken.map(calls.removeSnapshot));
  await Promise.all(volumes.map(calls.remove));
});

test('capacity is what the data pool has left', async () => {
  const { parameters } = values.cephfs;
  const { available_capacity } = await driver.cephfs.call(csi.Controller.GetCapacity, { parameters });
  expect(BigInt(available_capacity)).toBeGreaterThan(BigInt(64 * MIB));
});
