import { describe, expect, it } from 'vitest';
import { chooseGroupName, digestOf } from '../../src/cephfs/names.ts';
import type { GroupSnapshotSpec } from '../../src/model/group-snapshot-backend.ts';
import {
  at,
  createScriptedController,
  EINVAL,
  infoOf,
  missing,
  secrets,
  snapshotInfo,
  type ScriptedCommand,
} from './environment.ts';

const name = 'Gruppe “日本語”';
const standIn = chooseGroupName(name);
const groupSnapshotId = `cephfsg1/c/fs/csi/${standIn}`;
const volumes = ['csi-vol-a', 'csi-vol-b'];
const idOf = (volume: string) => `cephfs1/c/fs/csi/${volume}`;
const spec: GroupSnapshotSpec = { name, sourceVolumeIds: volumes.map(idOf), parameters: {}, secrets };
const part = `cg-${standIn.slice(-12)}-0a1b`;
const anyPart = expect.stringMatching(new RegExp(`^cg-${standIn.slice(-12)}-[0-9a-f]{4}$`)) as string;
const anySet = expect.stringMatching(new RegExp(`^${standIn}-[0-9a-f]{4}$`)) as string;
const EPERM = 1;

const each = (prefix: string, rest: (volume: string) => Partial<ScriptedCommand>) =>
  volumes.map((volume): ScriptedCommand => ({ prefix, args: at(volume), ...rest(volume) }));
const readRecord = { prefix: 'fs subvolume metadata ls', args: at(standIn) };
const recordOf = (members: readonly string[]) => ({
  ...readRecord,
  answer: { 'csi-driver-ceph.group': [digestOf(name), part, ...members].join(' ') },
});
const checkAll = [
  { ...readRecord, ...missing(standIn) },
  ...each('fs subvolume info', volume => ({ answer: infoOf(volume) })),
  ...each('fs subvolume snapshot ls', () => ({ answer: [{ name: 'csi-snap-0123456789ab' }] })),
];

function quiesce(args: ScriptedCommand['args'], state: string, errno = 0): ScriptedCommand {
  const set = { vol_name: 'fs', group_name: 'csi', set_id: anySet };
  return { prefix: 'fs quiesce', args: { ...set, ...args }, quiesceState: state, errno };
}
const pause = quiesce({ members: volumes, timeout: 30.5, expiration: 22.5 }, 'QUIESCING');
const snapshotAll = each('fs subvolume snapshot create', volume => ({
  args: { ...at(volume), snap_name: anyPart },
}));
const removeAll = each('fs subvolume snapshot rm', volume => ({
  args: { ...at(volume), snap_name: anyPart, force: true },
}));
const describeAll = [
  ...each('fs subvolume snapshot info', volume => ({
    args: { ...at(volume), snap_name: anyPart },
    answer: snapshotInfo,
  })),
  ...each('fs subvolume info', volume => ({ answer: infoOf(volume) })),
];

describe('a group snapshot', () => {
  it('is made while the clients are held back, and recorded last', async () => {
    const { controller, context, end } = createScriptedController([
      ...checkAll,
      pause,
      quiesce({ query: true }, 'QUIESCED'),
      ...snapshotAll,
      quiesce({ release: true }, 'RELEASING'),
      quiesce({ query: true }, 'RELEASED'),
      { prefix: 'fs subvolume create', args: at(standIn) },
      {
        prefix: 'fs subvolume metadata set',
        args: {
          ...at(standIn),
          key_name: 'csi-driver-ceph.group',
          value: expect.stringMatching(
            new RegExp(`^${digestOf(name)} cg-[0-9a-f-]{17} csi-vol-a csi-vol-b$`),
          ) as string,
        },
      },
      ...describeAll,
    ]);
    expect(controller.chooseGroupSnapshotId(spec)).toBe(groupSnapshotId);
    const made = await controller.createGroupSnapshot(spec, context);
    expect(made).toMatchObject({ groupSnapshotId, readyToUse: true });
    expect(made.snapshots.map(({ sourceVolumeId }) => sourceVolumeId)).toEqual(spec.sourceVolumeIds);
    expect(made.snapshots.map(snapshot => snapshot.groupSnapshotId)).toEqual([
      groupSnapshotId,
      groupSnapshotId,
    ]);
    end();
  });

  it('is not told of when clients may have written meanwhile', async () => {
    const { controller, context, end } = createScriptedController([
      ...checkAll,
      pause,
      quiesce({ query: true }, 'QUIESCED'),
      ...snapshotAll,
      quiesce({ release: true }, 'EXPIRED', EPERM),
      quiesce({ release: true }, 'EXPIRED', EPERM),
      ...removeAll,
    ]);
    const made = controller.createGroupSnapshot(spec, context);
    await expect(made).rejects.toMatchObject({
      kind: 'aborted',
      message: expect.stringContaining('expired') as string,
    });
    end();
  });

  it('is not made when a client does not stop', async () => {
    const { controller, context, end } = createScriptedController([
      ...checkAll,
      pause,
      quiesce({ query: true }, 'TIMEDOUT'),
      quiesce({ release: true }, 'TIMEDOUT', EPERM),
      ...removeAll,
    ]);
    await expect(controller.createGroupSnapshot(spec, context)).rejects.toMatchObject({ kind: 'aborted' });
    end();
  });

  it.each([
    ['a program', 'no valid command found; 10 closest matches:\nError EINVAL: invalid command'],
    ['a connection', "No handler found for 'fs quiesce'"],
  ])('is refused by a cluster that is too old, which is named, over %s', async (_, reason) => {
    const unknown = { errno: EINVAL, reason };
    const version = { prefix: 'version', args: {}, answer: { version: 'ceph version 18.2.7 (abc) reef' } };
    const release = { ...quiesce({ release: true }, ''), ...unknown };
    const { controller, context, end } = createScriptedController([
      ...checkAll,
      { ...pause, ...unknown },
      version,
      release,
      version,
      ...removeAll,
    ]);
    await expect(controller.createGroupSnapshot(spec, context)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/has Ceph 18\.2\.7, .* 19 or newer/) as string,
    });
    end();
  });

  it('is found again, and is another one than that of other volumes', async () => {
    const { controller, context, end } = createScriptedController([
      recordOf(volumes.toReversed()),
      ...describeAll.slice(0, 2).toReversed(),
      ...describeAll.slice(2).toReversed(),
      recordOf(['csi-vol-a']),
    ]);
    expect(await controller.createGroupSnapshot(spec, context)).toMatchObject({ groupSnapshotId });
    await expect(controller.createGroupSnapshot(spec, context)).rejects.toMatchObject({
      kind: 'already-exists',
    });
    end();
  });

  it('keeps its parts from being deleted alone', async () => {
    const { controller, context, end } = createScriptedController([recordOf(volumes)]);
    const snapshotId = `cephfss1/c/fs/csi/csi-vol-a/${part}`;
    const deletion = controller.deleteSnapshot?.({ snapshotId, secrets }, context);
    await expect(deletion).rejects.toMatchObject({ kind: 'failed-precondition' });
    end();
  });

  it.each([
    ['another file system', 'cephfs1/c/other/csi/csi-vol-b'],
    ['another subvolume group', 'cephfs1/c/fs/other/csi-vol-b'],
    ['another cluster', 'cephfs1/d/fs/csi/csi-vol-b'],
  ])('is refused for a volume in %s', async (_, other) => {
    const { controller, context } = createScriptedController([]);
    const mixed = { ...spec, sourceVolumeIds: [idOf('csi-vol-a'), other] };
    await expect(controller.createGroupSnapshot(mixed, context)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(other) as string,
    });
  });
});
