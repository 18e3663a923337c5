import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/model/bytes.ts';
import {
  at,
  createScriptedController,
  EAGAIN,
  ENOENT,
  ENOTEMPTY,
  infoOf,
  missing,
  secrets,
} from './environment.ts';

const name = 'csi-vol-pvc-1';
const volume = { volumeId: `cephfs1/c/fs/csi/${name}`, secrets };
const remove = { prefix: 'fs subvolume rm', args: at(name) };
const clone = { vol_name: 'fs', clone_name: name, group_name: 'csi' };

describe('deleting a volume', () => {
  it('takes one command, and succeeds again when it is gone', async () => {
    const { controller, context, end } = createScriptedController([remove, { ...remove, ...missing(name) }]);
    await controller.deleteVolume(volume, context);
    await controller.deleteVolume(volume, context);
    end();
  });

  it('that this driver did not make asks nothing', async () => {
    const { controller, context } = createScriptedController([]);
    await controller.deleteVolume({ volumeId: 'unknown', secrets }, context);
  });

  it('keeps its snapshots, without what clones have left', async () => {
    const { controller, context, end } = createScriptedController([
      { ...remove, errno: ENOTEMPTY, reason: `subvolume '${name}' has snapshots` },
      {
        prefix: 'fs subvolume snapshot ls',
        args: at(name),
        answer: [{ name: 'csi-snap-1' }, { name: 'csi-clone-1' }],
      },
      {
        prefix: 'fs subvolume snapshot rm',
        args: { ...at(name), snap_name: 'csi-clone-1', force: true },
      },
      { prefix: 'fs subvolume rm', args: { ...at(name), retain_snapshots: true } },
    ]);
    await controller.deleteVolume(volume, context);
    end();
  });

  it('stops a copy that goes on, and takes its snapshot away', async () => {
    const source = { volume: 'fs', subvolume: 'csi-vol-source', snapshot: 'csi-clone-1', group: 'csi' };
    const { controller, context, end } = createScriptedController([
      { ...remove, errno: EAGAIN, reason: `subvolume '${name}' is not ready for operation rm` },
      { prefix: 'fs clone status', args: clone, answer: { status: { state: 'in-progress', source } } },
      { prefix: 'fs clone cancel', args: clone },
      { prefix: 'fs subvolume rm', args: { ...at(name), force: true } },
      {
        prefix: 'fs subvolume snapshot rm',
        args: { ...at('csi-vol-source'), snap_name: 'csi-clone-1', force: true },
      },
    ]);
    await controller.deleteVolume(volume, context);
    end();
  });
});

describe('expanding a volume', () => {
  const info = { prefix: 'fs subvolume info', args: at(name) };

  it('raises the quota', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name) },
      {
        prefix: 'fs subvolume resize',
        args: { ...at(name), new_size: String(200n * MIB), no_shrink: true },
      },
    ]);
    const result = await controller.expandVolume(
      { ...volume, capacity: { requiredBytes: 199n * MIB } },
      context,
    );
    expect(result).toEqual({ capacityBytes: 200n * MIB, nodeExpansionRequired: false });
    end();
  });

  it('never lowers it', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name) },
      { ...info, answer: infoOf(name) },
    ]);
    const smaller = { ...volume, capacity: { requiredBytes: 8n * MIB } };
    expect((await controller.expandVolume(smaller, context)).capacityBytes).toBe(100n * MIB);
    const limited = { ...volume, capacity: { requiredBytes: 8n * MIB, limitBytes: 16n * MIB } };
    await expect(controller.expandVolume(limited, context)).rejects.toMatchObject({ kind: 'out-of-range' });
    end();
  });

  it('of a deleted volume is refused', async () => {
    const { controller, context } = createScriptedController([
      { ...info, answer: { state: 'snapshot-retained', type: 'subvolume' } },
    ]);
    const request = { ...volume, capacity: { requiredBytes: 8n * MIB } };
    await expect(controller.expandVolume(request, context)).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('snapshots', () => {
  const snapshotId = `cephfss1/c/fs/csi/${name}/csi-snap-0123456789ab`;
  const place = { ...at(name), snap_name: 'csi-snap-0123456789ab' };
  const rados = ['rados', '--pool', 'meta', '--namespace', 'csi-driver-ceph'];
  const fileSystems = {
    prefix: 'fs ls',
    args: {},
    answer: [{ name: 'fs', metadata_pool: 'meta', data_pools: ['data'] }],
  };

  it('are refused under a name that another volume has', async () => {
    const spec = { name: 'snap', sourceVolumeId: volume.volumeId, parameters: {}, secrets };
    const digest = createHash('sha256').update('snap').digest('hex');
    const key = digest.slice(0, 12);
    const other = { ...at('csi-vol-other'), snap_name: `csi-snap-${key}` };
    const { controller, context, end } = createScriptedController(
      [
        { prefix: 'fs subvolume info', args: at(name), answer: infoOf(name) },
        fileSystems,
        {
          prefix: 'fs subvolume snapshot info',
          args: other,
          answer: { created_at: '2026-11-24 15:38:47.642400', has_pending_clones: 'no' },
        },
      ],
      [
        {
          argv: [...rados, 'getomapval', 'snapshots', `csi/${key}`, '-'],
          stdout: `${digest}/csi-vol-other/csi-snap-${key}`,
        },
      ],
    );
    await expect(controller.createSnapshot?.(spec, context)).rejects.toMatchObject({
      kind: 'already-exists',
    });
    end();
  });

  it('that are being copied cannot be removed', async () => {
    const { controller, context, end } = createScriptedController([
      {
        prefix: 'fs subvolume snapshot rm',
        args: { ...place, force: true },
        errno: EAGAIN,
        reason: 'has pending clones',
      },
    ]);
    await expect(controller.deleteSnapshot?.({ snapshotId, secrets }, context)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    end();
  });

  it('are removed with their name', async () => {
    const { controller, context, end } = createScriptedController(
      [{ prefix: 'fs subvolume snapshot rm', args: { ...place, force: true } }, fileSystems],
      [{ argv: [...rados, 'rmomapkey', 'snapshots', 'csi/0123456789ab'] }],
    );
    await controller.deleteSnapshot?.({ snapshotId, secrets }, context);
    end();
  });

  it('of a deleted volume are there, of unknown size', async () => {
    const { controller, context } = createScriptedController([
      {
        prefix: 'fs subvolume snapshot info',
        args: place,
        answer: { created_at: '2026-11-24 15:38:47.642400', has_pending_clones: 'no' },
      },
      { prefix: 'fs subvolume info', args: at(name), answer: { state: 'snapshot-retained' } },
    ]);
    expect(await controller.getSnapshot?.({ snapshotId, secrets }, context)).toEqual({
      snapshotId,
      sourceVolumeId: volume.volumeId,
      sizeBytes: 0n,
      createdAt: new Date('2026-11-24T15:38:47Z'),
      readyToUse: true,
    });
  });

  it('that are gone are not found', async () => {
    const { controller, context } = createScriptedController([
      { prefix: 'fs subvolume snapshot info', args: place, errno: ENOENT, reason: 'does not exist' },
    ]);
    await expect(controller.getSnapshot?.({ snapshotId, secrets }, context)).rejects.toMatchObject({
      kind: 'not-found',
    });
  });
});
