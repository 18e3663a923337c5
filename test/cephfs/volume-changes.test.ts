import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chooseViewName } from '../../src/cephfs/names.ts';
import { MIB } from '../../src/model/bytes.ts';
import {
  at,
  createScriptedController,
  EAGAIN,
  ENOENT,
  ENOTEMPTY,
  fileSystems,
  home,
  infoOf,
  missing,
  onIndex,
  secrets,
  snapshotInfo,
  specOf,
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

describe('modifying a volume', () => {
  const info = { prefix: 'fs subvolume info', args: at(name), answer: infoOf(name) };
  const pin = (pin_type: string, pin_setting: string) => ({
    prefix: 'fs subvolume pin',
    args: { ...at(name), pin_type, pin_setting },
  });

  it('pins it to metadata servers, and frees it', async () => {
    const { controller, context, end } = createScriptedController([
      info,
      pin('export', '1'),
      pin('random', '0.01'),
      info,
      pin('export', '-1'),
      pin('distributed', '1'),
      info,
    ]);
    const modify = (mutableParameters: Record<string, string>) =>
      controller.modifyVolume?.({ ...volume, mutableParameters }, context);
    await modify({ exportPin: '1', randomPin: ' 0.01' });
    await modify({ exportPin: '-1', distributedPin: '1' });
    await modify({});
    end();
  });

  it.each([
    [{ maxIops: '1' }, /"maxIops" is unknown; known are exportPin, distributedPin, randomPin/],
    [{ exportPin: 'x' }, /exportPin "x" is not the rank of a metadata server, or -1/],
    [{ distributedPin: 'yes' }, /distributedPin "yes" is not 1 \(on\) or 0/],
    [{ randomPin: '1.5' }, /randomPin "1.5" is not a share/],
  ])('refuses %j', async (mutableParameters, message) => {
    const { controller, context, end } = createScriptedController([]);
    const refusal = { kind: 'invalid-argument', message: expect.stringMatching(message) as string };
    await expect(controller.modifyVolume?.({ ...volume, mutableParameters }, context)).rejects.toMatchObject(
      refusal,
    );
    await expect(controller.createVolume(specOf({ mutableParameters }), context)).rejects.toMatchObject(
      refusal,
    );
    end();
  });

  it('that is gone fails, whatever is asked', async () => {
    const { controller, context } = createScriptedController([{ ...info, ...missing(name) }]);
    const request = { ...volume, mutableParameters: {} };
    await expect(controller.modifyVolume?.(request, context)).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('snapshots', () => {
  const snapshot = 'csi-snap-0123456789ab';
  const snapshotId = `cephfss1/c/fs/csi/${name}/${snapshot}`;
  const place = { ...at(name), snap_name: snapshot };
  const info = { prefix: 'fs subvolume snapshot info', args: place, answer: snapshotInfo };
  const removal = `removal/csi/${name}/${snapshot}`;
  const announcement = { argv: onIndex('setomapval', removal, 'announced') };
  const withdrawal = { argv: onIndex('rmomapkey', removal) };
  const listing = (...names: readonly string[]) => ({
    prefix: 'fs subvolume ls',
    args: { vol_name: 'fs', group_name: 'csi-views' },
    answer: names.map(name => ({ name })),
  });

  it('are refused under a name that another volume has', async () => {
    const spec = { name: 'snap', sourceVolumeId: volume.volumeId, parameters: {}, secrets };
    const digest = createHash('sha256').update('snap').digest('hex');
    const key = digest.slice(0, 12);
    const other = { ...at('csi-vol-other'), snap_name: `csi-snap-${key}` };
    const { controller, context, end } = createScriptedController(
      [
        { prefix: 'fs subvolume info', args: at(name), answer: infoOf(name) },
        fileSystems,
        { prefix: 'fs subvolume snapshot info', args: other, answer: snapshotInfo },
      ],
      [
        {
          argv: onIndex('getomapval', `csi/${key}`, '-'),
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
    const { controller, context, end } = createScriptedController(
      [
        info,
        fileSystems,
        listing(),
        {
          prefix: 'fs subvolume snapshot rm',
          args: { ...place, force: true },
          errno: EAGAIN,
          reason: 'has pending clones',
        },
        fileSystems,
      ],
      [announcement, withdrawal],
    );
    await expect(controller.deleteSnapshot?.({ snapshotId, secrets }, context)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    end();
  });

  it('that a view shows cannot be removed', async () => {
    const view = chooseViewName({ ...home, subvolume: name, snapshot }, 'pvc-2');
    const { controller, context, end } = createScriptedController(
      [info, fileSystems, listing(view, 'csi-view-0123456789ab-pvc-3'), fileSystems],
      [announcement, withdrawal],
    );
    await expect(controller.deleteSnapshot?.({ snapshotId, secrets }, context)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(`volumes ${view} (1)`) as string,
    });
    end();
  });

  it('are removed with their name', async () => {
    const { controller, context, end } = createScriptedController(
      [
        info,
        fileSystems,
        listing(),
        { prefix: 'fs subvolume snapshot rm', args: { ...place, force: true } },
        fileSystems,
      ],
      [announcement, { argv: onIndex('rmomapkey', 'csi/0123456789ab') }, withdrawal],
    );
    await controller.deleteSnapshot?.({ snapshotId, secrets }, context);
    end();
  });

  it('are removed without access to the index, too', async () => {
    const refused = { exitCode: 1, stderr: 'error setting omap value: (1) Operation not permitted' };
    const { controller, context, end } = createScriptedController(
      [
        info,
        fileSystems,
        listing(),
        { prefix: 'fs subvolume snapshot rm', args: { ...place, force: true } },
        fileSystems,
      ],
      [
        { ...announcement, ...refused },
        { argv: onIndex('rmomapkey', 'csi/0123456789ab'), ...refused },
        { ...withdrawal, ...refused },
      ],
    );
    await controller.deleteSnapshot?.({ snapshotId, secrets }, context);
    end();
  });

  it('that are gone leave no name', async () => {
    const { controller, context, end } = createScriptedController(
      [{ ...info, errno: ENOENT, reason: 'does not exist' }, fileSystems],
      [{ argv: onIndex('rmomapkey', 'csi/0123456789ab') }, withdrawal],
    );
    await controller.deleteSnapshot?.({ snapshotId, secrets }, context);
    end();
  });

  it('of a deleted volume are there, of unknown size', async () => {
    const { controller, context } = createScriptedController([
      {
        prefix: 'fs subvolume snapshot info',
        args: place,
        answer: snapshotInfo,
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
