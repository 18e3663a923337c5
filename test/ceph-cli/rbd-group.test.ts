import { describe, expect, it } from 'vitest';
import {
  addToGroup,
  canRestoreFromGroups,
  createGroupSnapshot,
  findGroup,
  listGroupImages,
  readGroupSnapshot,
} from '../../src/ceph/rbd-group.ts';
import type { CephSession } from '../../src/ceph/rbd-session.ts';
import { Secret } from '../../src/model/secret.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';

function sessionOf(...script: readonly ScriptedCall[]): CephSession {
  const connection = { monitors: ['mon-a:6789'], userId: 'csi', key: new Secret('hidden') };
  return { exec: createFakeExec(script).exec, connection, context: createTestContext() };
}

const group = { pool: 'rbd', group: 'csi-group-g' };
const image = { pool: 'rbd', image: 'csi-vol-a' };

/** Answers and messages as Ceph 20.2.4 gave them. */
describe('a group', () => {
  it('takes an image that is in no other', async () => {
    const argv = ['rbd', 'group', 'image', 'add', 'rbd/csi-group-g', 'rbd/csi-vol-a'];
    expect(await addToGroup(sessionOf({ argv }), group, image)).toBe(true);
    const stderr = 'rbd: add image error: (17) File exists\n';
    expect(await addToGroup(sessionOf({ argv, exitCode: 17, stderr }), group, image)).toBe(false);
  });

  it('has no images when it is not there, which is told with exit code 0', async () => {
    const argv = ['rbd', 'group', 'image', 'ls', 'rbd/csi-group-g', '--format', 'json'];
    const stdout = '[{"image":"csi-vol-a","pool":"rbd","namespace":"","state":0}]\n';
    expect(await listGroupImages(sessionOf({ argv, stdout }), group)).toEqual([image]);
    const stderr =
      'librbd::api::Group: group_image_list: error reading group id object: (2) No such file or directory\n';
    expect(await listGroupImages(sessionOf({ argv, stderr }), group)).toEqual([]);
  });

  it.each([
    ['"group":"rbd/csi-group-g"', group],
    ['"group":"rbd/team/csi-group-g"', { ...group, namespace: 'team' }],
    ['"flags":[]', undefined],
  ])('is found at its image: %s', async (field, found) => {
    const argv = ['rbd', 'info', 'rbd/csi-vol-a', '--format', 'json'];
    expect(await findGroup(sessionOf({ argv, stdout: `{"name":"csi-vol-a",${field}}` }), image)).toEqual(
      found,
    );
  });
});

describe("a group's snapshot", () => {
  const info = ['rbd', 'group', 'snap', 'info', 'rbd/csi-group-g@s', '--format', 'json'];

  it('is made unless there is one', async () => {
    const argv = ['rbd', 'group', 'snap', 'create', 'rbd/csi-group-g@s'];
    expect(await createGroupSnapshot(sessionOf({ argv }), group, 's')).toBe(true);
    const stderr =
      'librbd::api::Group: snap_create: snapshot with this name already exists: (17) File exists\n';
    expect(await createGroupSnapshot(sessionOf({ argv, exitCode: 17, stderr }), group, 's')).toBe(false);
  });

  it('is read with its parts', async () => {
    const stdout =
      '{"id":"10634469685a","name":"s","state":"complete","image_snap_name":".group.1_104de6665d2_10634469685a","images":[{"pool_name":"rbd","namespace":"","image_name":"csi-vol-a","snap_id":4}]}\n';
    expect(await readGroupSnapshot(sessionOf({ argv: info, stdout }), group, 's')).toEqual({
      isComplete: true,
      imageSnapshotName: '.group.1_104de6665d2_10634469685a',
      members: [{ ...image, snapshotNumber: 4n }],
    });
  });

  it('is undefined when it is not there', async () => {
    const stderr = 'rbd: failed to show group snapshot: (2) No such file or directory\n';
    expect(
      await readGroupSnapshot(sessionOf({ argv: info, exitCode: 2, stderr }), group, 's'),
    ).toBeUndefined();
  });
});

it('whether single snapshots can be restored is told by the help of the program', async () => {
  const clone = ['rbd', 'help', 'clone'];
  const info = ['rbd', 'help', 'group', 'snap', 'info'];
  const ask = (cloneHelp: string, infoHelp: string) =>
    canRestoreFromGroups(
      createFakeExec([
        { argv: clone, stdout: cloneHelp },
        { argv: info, stdout: infoHelp },
      ]).exec,
      createTestContext(),
    );
  expect(
    await ask('usage: rbd clone [--snap-id <snap-id>]', 'usage: rbd group snap info [--pool <pool>]'),
  ).toBe(true);
  expect(await ask('usage: rbd clone [--pool <pool>]', 'usage: rbd group snap list')).toBe(false);
});
