import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/model/bytes.ts';
import {
  at,
  createScriptedController,
  EEXIST,
  ENOENT,
  infoOf,
  missing,
  missingGroup,
  notReady,
  specOf,
} from './environment.ts';

const name = 'csi-vol-pvc-1';
const info = { prefix: 'fs subvolume info', args: at(name) };
const size = Number(100n * MIB);

describe('an empty volume', () => {
  it('is a subvolume of the wanted size, whose path goes to the node', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, ...missing(name) },
      { prefix: 'fs subvolume create', args: { ...at(name), size, pool_layout: 'fast' } },
      { ...info, answer: infoOf(name) },
    ]);
    const parameters = { ...specOf().parameters, pool: 'fast', mounter: 'fuse' };
    const volume = await controller.createVolume(specOf({ parameters }), context);
    expect(volume).toEqual({
      volumeId: 'cephfs1/c/fs/csi/csi-vol-pvc-1',
      capacityBytes: 100n * MIB,
      context: { mounter: 'fuse', subvolumePath: '/volumes/csi/csi-vol-pvc-1/0b7e' },
    });
    end();
  });

  it('has its group made when that is missing', async () => {
    const create = { prefix: 'fs subvolume create', args: { ...at(name), size } };
    const { controller, context, end } = createScriptedController([
      { ...info, ...missingGroup },
      { ...create, ...missingGroup },
      { prefix: 'fs subvolumegroup create', args: { vol_name: 'fs', group_name: 'csi' } },
      create,
      { ...info, answer: infoOf(name) },
    ]);
    await controller.createVolume(specOf(), context);
    end();
  });

  it('is found by a repeated call, with one command', async () => {
    const { controller, context, end } = createScriptedController([{ ...info, answer: infoOf(name) }]);
    expect((await controller.createVolume(specOf(), context)).capacityBytes).toBe(100n * MIB);
    end();
  });

  it('of another size is refused, and its quota left alone', async () => {
    const { controller, context, end } = createScriptedController([{ ...info, answer: infoOf(name) }]);
    const spec = specOf({ capacity: { requiredBytes: 200n * MIB } });
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject({
      kind: 'already-exists',
      message: expect.stringContaining(String(200n * MIB)) as string,
    });
    end();
  });

  it('is not mistaken for a copy of something', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name, { type: 'clone' }) },
    ]);
    await expect(controller.createVolume(specOf(), context)).rejects.toMatchObject({
      kind: 'already-exists',
    });
    end();
  });

  it('says which file system is missing', async () => {
    const { controller, context } = createScriptedController([
      { ...info, errno: ENOENT, reason: "FS 'fs' not found" },
    ]);
    await expect(controller.createVolume(specOf(), context)).rejects.toMatchObject({
      message: 'fsName: there is no file system "fs" in the cluster',
    });
  });
});

describe('a restored volume', () => {
  const source = 'csi-vol-source';
  const snapshot = 'csi-snap-0123456789ab';
  const spec = specOf({
    capacity: { requiredBytes: 200n * MIB },
    source: { type: 'snapshot', snapshotId: `cephfss1/c/fs/csi/${source}/${snapshot}` },
  });
  const status = { prefix: 'fs clone status', args: { vol_name: 'fs', clone_name: name, group_name: 'csi' } };
  const readSource = [
    { prefix: 'fs subvolume info', args: at(source), answer: infoOf(source) },
    {
      prefix: 'fs subvolume snapshot info',
      args: { ...at(source), snap_name: snapshot },
      answer: { created_at: '2026-11-24 15:38:47.642400', has_pending_clones: 'no' },
    },
  ];
  const clone = {
    prefix: 'fs subvolume snapshot clone',
    args: { ...at(source), snap_name: snapshot, target_sub_name: name, target_group_name: 'csi' },
  };

  it('is copied, and grows to what was asked', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, ...missing(name) },
      ...readSource,
      clone,
      { ...status, answer: { status: { state: 'complete' } } },
      { ...info, answer: infoOf(name, { type: 'clone' }) },
      {
        prefix: 'fs subvolume resize',
        args: { ...at(name), new_size: String(200n * MIB), no_shrink: true },
      },
    ]);
    const volume = await controller.createVolume(spec, context);
    expect(volume.capacityBytes).toBe(200n * MIB);
    expect(volume.source).toEqual(spec.source);
    end();
  });

  it('whose copy has failed is removed, for the next call to begin anew', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, ...notReady(name) },
      { ...status, answer: { status: { state: 'failed' } } },
      { prefix: 'fs subvolume rm', args: { ...at(name), force: true } },
    ]);
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject({ kind: 'aborted' });
    end();
  });

  it('is not begun twice when somebody was faster', async () => {
    const { controller, context, end } = createScriptedController([
      { ...info, ...missing(name) },
      ...readSource,
      { ...clone, errno: EEXIST, reason: `subvolume '${name}' exists` },
      { ...status, answer: { status: { state: 'complete' } } },
      { ...info, answer: infoOf(name, { type: 'clone', bytes_quota: Number(200n * MIB) }) },
    ]);
    await controller.createVolume(spec, context);
    end();
  });

  it('needs its snapshot to be there', async () => {
    const [readVolume, readSnapshot] = readSource;
    const { controller, context } = createScriptedController([
      { ...info, ...missing(name) },
      ...(readVolume === undefined ? [] : [readVolume]),
      {
        prefix: 'fs subvolume snapshot info',
        args: readSnapshot?.args ?? {},
        errno: ENOENT,
        reason: `snapshot '${snapshot}' does not exist`,
      },
    ]);
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('must be in the file system of its source', async () => {
    const { controller, context } = createScriptedController([]);
    const parameters = { clusterID: 'c', fsName: 'other' };
    await expect(controller.createVolume({ ...spec, parameters }, context)).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
  });
});

describe('a cloned volume', () => {
  it('is copied by a snapshot that is taken away afterwards', async () => {
    const source = 'csi-vol-source';
    const temporary = {
      ...at(source),
      snap_name: expect.stringMatching(/^csi-clone-[0-9a-f]{16}$/) as string,
    };
    const { controller, context, end } = createScriptedController([
      { ...info, ...missing(name) },
      { prefix: 'fs subvolume info', args: at(source), answer: infoOf(source) },
      { prefix: 'fs subvolume snapshot create', args: temporary },
      {
        prefix: 'fs subvolume snapshot clone',
        args: { ...temporary, target_sub_name: name, target_group_name: 'csi' },
      },
      {
        prefix: 'fs clone status',
        args: { vol_name: 'fs', clone_name: name, group_name: 'csi' },
        answer: { status: { state: 'complete' } },
      },
      { ...info, answer: infoOf(name, { type: 'clone' }) },
      { prefix: 'fs subvolume snapshot rm', args: { ...temporary, force: true } },
    ]);
    const wanted = specOf({ source: { type: 'volume', volumeId: `cephfs1/c/fs/csi/${source}` } });
    await controller.createVolume(wanted, context);
    end();
  });
});
