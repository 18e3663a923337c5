import { describe, expect, it } from 'vitest';
import { isWatched, readObject, readOmapValue } from '../../src/ceph/rados-object.ts';
import { createImage, listWatchers, readImage, removeImage } from '../../src/ceph/rbd-image.ts';
import type { CephSession } from '../../src/ceph/rbd-session.ts';
import { listSnapshots, removeSnapshot } from '../../src/ceph/rbd-snapshot.ts';
import { moveToTrash, removeFromTrash } from '../../src/ceph/rbd-trash.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { createFakeExec, createTestContext, type FakeExec, type ScriptedCall } from '../exec/fake-exec.ts';

function sessionOf(...script: readonly ScriptedCall[]): { session: CephSession; fake: FakeExec } {
  const fake = createFakeExec(script);
  const connection = { monitors: ['mon-a:6789'], userId: 'csi', key: new Secret('hidden') };
  return { session: { exec: fake.exec, connection, context: createTestContext() }, fake };
}

const image = { pool: 'rbd', image: 'csi-vol-a' };
const byId = { pool: 'rbd', namespace: 'team', imageId: '10a7c4006e93' };

/** Answers and messages as Ceph 16.2.15 gave them. */
const INFO =
  '{"name":"c1","id":"106bbe14d816","size":1073741824,"objects":256,"order":22,"object_size":4194304,"snapshot_count":0,"block_name_prefix":"rbd_data.106bbe14d816","format":2,"features":["layering","operations"],"op_features":["clone-child"],"flags":[],"create_timestamp":"Tue Nov 24 15:38:45 2026","access_timestamp":"Tue Nov 24 15:38:45 2026","modify_timestamp":"Tue Nov 24 15:38:45 2026","parent":{"pool":"rbd","pool_namespace":"","image":"i1","id":"1047c7533a24","snapshot":"s1","trash":false,"overlap":1073741824}}';
const NO_IMAGE = 'rbd: error opening image csi-vol-a: (2) No such file or directory\n';
const NO_POOL = "rbd: error opening pool 'rbd': (2) No such file or directory\n";

describe('an image', () => {
  it('is read with its parent', async () => {
    const { session, fake } = sessionOf({
      argv: ['rbd', 'info', 'rbd/csi-vol-a', '--format', 'json'],
      stdout: INFO,
    });
    expect(await readImage(session, image)).toEqual({
      name: 'c1',
      imageId: '106bbe14d816',
      sizeBytes: 1073741824n,
      snapshotCount: 0,
      features: ['layering', 'operations'],
      createdAt: new Date('2026-11-24T15:38:45Z'),
      parent: { pool: 'rbd', image: 'i1', imageId: '1047c7533a24', snapshot: 's1' },
    });
    fake.expectAllUsed();
  });

  it('is told from a pool that is not there', async () => {
    const argv = ['rbd', 'info', 'rbd/csi-vol-a', '--format', 'json'];
    const missing = sessionOf({ argv, exitCode: 2, stderr: NO_IMAGE });
    expect(await readImage(missing.session, image)).toBeUndefined();
    const poolless = sessionOf({ argv, exitCode: 2, stderr: NO_POOL });
    await expect(readImage(poolless.session, image)).rejects.toMatchObject({
      kind: 'not-found',
      message: 'rbd info rbd/csi-vol-a: there is no pool "rbd"',
    });
  });

  it.each([
    [0, 'created'],
    [17, 'exists'],
  ])('is made from an export stream: exit code %i', async (exitCode, outcome) => {
    const argv = [
      'import',
      '--export-format',
      '2',
      '--data-pool',
      'ec',
      '--no-progress',
      '-',
      'rbd/csi-vol-a',
    ];
    const { session, fake } = sessionOf({ argv: ['rbd', ...argv], exitCode });
    const layout = { sizeBytes: 1n, order: 22, features: [], stripeUnit: 1n, stripeCount: 1n };
    const made = await createImage(session, image, { ...layout, dataPool: 'ec', metadata: new Map() });
    expect(made).toBe(outcome);
    expect(Buffer.from(fake.commands[0]?.input ?? '').toString('latin1')).toMatch(/^rbd image v2\n/);
  });

  it('that is open somewhere is not removed', async () => {
    const argv = ['rbd', 'rm', '--no-progress', 'rbd/csi-vol-a'];
    const { session } = sessionOf({ argv, exitCode: 16, stderr: 'rbd: error: image still has watchers' });
    await expect(removeImage(session, image)).rejects.toMatchObject({ kind: 'failed-precondition' });
  });

  it('has watchers', async () => {
    const argv = ['rbd', 'status', 'rbd/csi-vol-a', '--format', 'json'];
    const stdout =
      '{"watchers":[{"address":"10.0.0.7:0/2467610846","client":4225,"cookie":140094585457952},' +
      '{"address":"10.0.0.8:0/1","client":4226,"cookie":18446462598732840961}]}';
    const { session } = sessionOf({ argv, stdout }, { argv, exitCode: 2, stderr: NO_IMAGE });
    expect(await listWatchers(session, image)).toEqual([
      { address: '10.0.0.7:0/2467610846', isKernel: false },
      { address: '10.0.0.8:0/1', isKernel: true },
    ]);
    expect(await listWatchers(session, image)).toBeUndefined();
  });
});

describe('snapshots', () => {
  it('are listed by the ID of the image, with those in the trash', async () => {
    const args = [
      '--pool',
      'rbd',
      '--namespace',
      'team',
      '--image-id',
      '10a7c4006e93',
      '--all',
      '--format',
      'json',
    ];
    const { session } = sessionOf({
      argv: ['rbd', 'snap', 'ls', ...args],
      stdout:
        '[{"id":4,"name":"2160c426","size":1073741824,"protected":"false","timestamp":"Tue Nov 24 15:38:45 2026","namespace":{"type":"trash","original_name":"s1"}},' +
        '{"id":5,"name":"s2","size":1073741824,"protected":"false","timestamp":"Tue Nov 24 15:38:46 2026","namespace":{"type":"user"}}]',
    });
    const listed = await listSnapshots(session, byId);
    expect(listed?.map(({ number, name, kind }) => ({ number, name, kind }))).toEqual([
      { number: 4n, name: '2160c426', kind: 'trash' },
      { number: 5n, name: 's2', kind: 'user' },
    ]);
  });

  it('are removed by their number', async () => {
    const args = ['--pool', 'rbd', '--namespace', 'team', '--image-id', '10a7c4006e93', '--snap-id', '5'];
    const { session, fake } = sessionOf({
      argv: ['rbd', 'snap', 'rm', ...args],
      exitCode: 2,
      stderr: 'rbd: error opening image with id 10a7c4006e93: (2) No such file or directory',
    });
    await removeSnapshot(session, byId, { number: 5n });
    fake.expectAllUsed();
  });
});

describe('the trash', () => {
  it('takes an image, until a time', async () => {
    const { session, fake } = sessionOf(
      { argv: ['rbd', 'trash', 'mv', 'rbd/csi-vol-a'] },
      { argv: ['rbd', 'trash', 'mv', '--expires-at', '2026-11-25T00:00:00', 'rbd/csi-vol-a'] },
      {
        argv: ['rbd', 'trash', 'mv', 'rbd/csi-vol-a'],
        exitCode: 2,
        stderr: 'rbd: deferred delete error: (2) No such file or directory',
      },
    );
    expect(await moveToTrash(session, image)).toBe(true);
    expect(await moveToTrash(session, image, new Date('2026-11-25T00:00:00Z'))).toBe(true);
    expect(await moveToTrash(session, image)).toBe(false);
    fake.expectAllUsed();
  });

  it.each([
    [0, '', 'gone'],
    [2, 'rbd: remove error: (2) No such file or directory', 'gone'],
    [16, 'rbd: error: image still has watchers', 'busy'],
    [39, 'rbd: image has snapshots - these must be deleted', 'busy'],
    [1, 'Deferment time has not expired, please use --force', 'retained'],
  ])('gives an image up: exit code %i, %s', async (exitCode, stderr, outcome) => {
    const argv = ['rbd', 'trash', 'rm', '--no-progress', 'rbd/team/10a7c4006e93'];
    const { session } = sessionOf({ argv, exitCode, stderr });
    expect(await removeFromTrash(session, byId)).toBe(outcome);
  });
});

describe('objects', () => {
  it('are told from missing ones, for which rados exits 1', async () => {
    const { session } = sessionOf(
      { argv: ['rados', '--pool', 'rbd', 'get', 'rbd_id.a', '-'], stdout: 'text' },
      {
        argv: ['rados', '--pool', 'rbd', 'getomapval', 'index', 'key', '-'],
        exitCode: 1,
        stderr: 'error getting omap value rbd/index/key: (2) No such file or directory\n',
      },
    );
    expect(await readObject(session, { pool: 'rbd' }, 'rbd_id.a')).toBe('text');
    expect(await readOmapValue(session, { pool: 'rbd' }, 'index', 'key')).toBeUndefined();
  });

  it('are watched when a notification waits', async () => {
    const argv = ['rados', '--pool', 'rbd', 'notify', 'rbd_header.1', 'x'];
    const slow = new DriverError('deadline-exceeded', 'rados did not end within 2.5 s');
    const { session } = sessionOf({ argv }, { argv, error: slow });
    expect(await isWatched(session, { pool: 'rbd' }, 'rbd_header.1')).toBe(false);
    expect(await isWatched(session, { pool: 'rbd' }, 'rbd_header.1')).toBe(true);
  });
});
