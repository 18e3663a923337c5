import { describe, expect, it } from 'vitest';
import { chooseViewName } from '../../src/cephfs/names.ts';
import { MIB } from '../../src/model/bytes.ts';
import type { VolumeSpec } from '../../src/model/volume.ts';
import {
  at,
  createScriptedController,
  ENOENT,
  fileSystems,
  home,
  infoOf,
  missing,
  onIndex,
  secrets,
  snapshotInfo,
  specOf,
} from './environment.ts';

const source = 'csi-vol-source';
const snapshot = 'csi-snap-0123456789ab';
const name = chooseViewName({ ...home, subvolume: source, snapshot }, 'pvc-1');
const volume = { volumeId: `cephfs1/c/fs/csi-views/${name}`, secrets };

const spec = specOf({
  parameters: { clusterID: 'c', fsName: 'fs', backingSnapshot: 'true', mounter: 'fuse' },
  capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'multi-node-reader-only' }],
  source: { type: 'snapshot', snapshotId: `cephfss1/c/fs/csi/${source}/${snapshot}` },
});

/** What the class asks for, without a source. */
const sourceless = specOf({ parameters: spec.parameters, capabilities: spec.capabilities });

const info = { prefix: 'fs subvolume info', args: at(name, 'csi-views') };
const present = {
  ...info,
  answer: infoOf(name, { bytes_quota: 'infinite', path: `/volumes/csi-views/${name}/uuid` }),
};
const absent = { ...info, ...missing(name) };
const create = { prefix: 'fs subvolume create', args: at(name, 'csi-views') };
const remove = { prefix: 'fs subvolume rm', args: at(name, 'csi-views') };
const readSource = {
  prefix: 'fs subvolume snapshot info',
  args: { ...at(source), snap_name: snapshot },
};
const goneSource = { ...readSource, errno: ENOENT, reason: `snapshot '${snapshot}' does not exist` };
const lookForRemoval = onIndex('getomapval', `removal/csi/${source}/${snapshot}`, '-');
const notAnnounced = { argv: lookForRemoval, exitCode: 1, stdout: `No such key: meta/snapshots/x` };

describe('a view of a snapshot', () => {
  const made = {
    volumeId: volume.volumeId,
    capacityBytes: 100n * MIB,
    context: { mounter: 'fuse', subvolumePath: `/volumes/csi/${source}`, snapshot },
    source: spec.source,
  };

  it('is an empty subvolume, and its context tells the node what to show', async () => {
    const { controller, context, end } = createScriptedController(
      [absent, create, present, { ...readSource, answer: snapshotInfo }, fileSystems],
      [notAnnounced],
    );
    expect(controller.chooseVolumeId(spec)).toBe(volume.volumeId);
    expect(await controller.createVolume(spec, context)).toEqual(made);
    end();
  });

  it('is found by a repeated call', async () => {
    const { controller, context, end } = createScriptedController(
      [present, { ...readSource, answer: snapshotInfo }, fileSystems],
      [notAnnounced],
    );
    expect(await controller.createVolume(spec, context)).toEqual(made);
    end();
  });

  it('of a snapshot that is gone is not found, and leaves nothing', async () => {
    const { controller, context, end } = createScriptedController([
      absent,
      create,
      present,
      goneSource,
      remove,
    ]);
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject({ kind: 'not-found' });
    end();
  });

  it('gives way to a deletion of its snapshot, which it has announced', async () => {
    const { controller, context, end } = createScriptedController(
      [absent, create, present, { ...readSource, answer: snapshotInfo }, fileSystems],
      [{ argv: lookForRemoval, stdout: 'announced' }],
    );
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject({ kind: 'aborted' });
    end();
  });

  it('is deleted with one command', async () => {
    const { controller, context, end } = createScriptedController([remove]);
    await controller.deleteVolume(volume, context);
    end();
  });

  it.each<[string, VolumeSpec, RegExp]>([
    ['without a source', sourceless, /volume_content_source is empty; give a snapshot/],
    [
      'of a volume',
      { ...spec, source: { type: 'volume', volumeId: `cephfs1/c/fs/csi/${source}` } },
      /volume_content_source is a volume/,
    ],
    [
      'for writers',
      { ...spec, capabilities: specOf().capabilities },
      /multi-node-multi-writer is not possible/,
    ],
    [
      'in another pool',
      { ...spec, parameters: { ...spec.parameters, pool: 'fast' } },
      /pool: "fast" is not possible/,
    ],
    ['with pins', { ...spec, mutableParameters: { exportPin: '1' } }, /mutable_parameters.* has none/],
  ])('is refused %s', async (_, wanted, message) => {
    const { controller, context, end } = createScriptedController([]);
    await expect(controller.createVolume(wanted, context)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringMatching(message) as string,
    });
    end();
  });
});

describe('what needs files of its own is refused for a view', () => {
  it.each<
    [string, (controller: ReturnType<typeof createScriptedController>) => Promise<unknown> | undefined]
  >([
    [
      'growing',
      ({ controller, context }) =>
        controller.expandVolume({ ...volume, capacity: { requiredBytes: MIB } }, context),
    ],
    [
      'snapshots',
      ({ controller, context }) =>
        controller.createSnapshot?.(
          { name: 's', sourceVolumeId: volume.volumeId, parameters: {}, secrets },
          context,
        ),
    ],
    [
      'clones',
      ({ controller, context }) =>
        controller.createVolume(specOf({ source: { type: 'volume', volumeId: volume.volumeId } }), context),
    ],
    [
      'pins',
      ({ controller, context }) =>
        controller.modifyVolume?.({ ...volume, mutableParameters: { exportPin: '1' } }, context),
    ],
  ])('%s', async (_, call) => {
    await expect(call(createScriptedController([]))).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining('view of a snapshot') as string,
    });
  });

  it('writing', async () => {
    const { controller, context } = createScriptedController([present]);
    const { capabilities } = specOf();
    const request = { ...volume, context: {}, capabilities, parameters: {}, mutableParameters: {} };
    expect(await controller.validateVolume(request, context)).toContain('can only be read');
  });
});
