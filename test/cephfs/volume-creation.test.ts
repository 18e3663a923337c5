import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/model/bytes.ts';
import {
  at,
  createScriptedController,
  EEXIST,
  EINVAL,
  ENOENT,
  infoOf,
  missing,
  missingGroup,
  notReady,
  snapshotInfo,
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
      answer: snapshotInfo,
    },
  ];
  const note = {
    prefix: 'fs subvolume metadata set',
    args: { ...at(name), key_name: 'csi-driver-ceph.source', value: `fs/csi/${source}@${snapshot}` },
  };
  const notes = { prefix: 'fs subvolume metadata ls', args: at(name) };
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
      note,
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
      note,
      { ...info, answer: infoOf(name, { type: 'clone', bytes_quota: Number(200n * MIB) }) },
    ]);
    await controller.createVolume(spec, context);
    end();
  });

  it.each([
    ['was interrupted before its source was noted', {}, [note]],
    ['is complete', { 'csi-driver-ceph.source': `fs/csi/${source}@${snapshot}` }, []],
  ])('that %s is found by a repeated call', async (_, answer, rest) => {
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name, { type: 'clone', bytes_quota: Number(200n * MIB) }) },
      { ...notes, answer },
      ...rest,
    ]);
    await controller.createVolume(spec, context);
    end();
  });

  it('is found where Ceph has no metadata of subvolumes', async () => {
    const unknown = { errno: EINVAL, reason: 'no valid command found; 10 closest matches:' };
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name, { type: 'clone', bytes_quota: Number(200n * MIB) }) },
      { ...notes, ...unknown },
      { ...note, ...unknown },
    ]);
    await controller.createVolume(spec, context);
    end();
  });

  it('is not mistaken for a copy of something else', async () => {
    const other = { volume: 'fs', subvolume: 'csi-vol-other', snapshot, group: 'csi' };
    const { controller, context, end } = createScriptedController([
      { ...info, answer: infoOf(name, { type: 'clone', bytes_quota: Number(200n * MIB) }) },
      { ...notes, answer: { 'csi-driver-ceph.source': `fs/csi/csi-vol-other@${snapshot}` } },
      { ...info, ...notReady(name) },
      { ...status, answer: { status: { state: 'in-progress', source: other } } },
    ]);
    const refusal = {
      kind: 'already-exists',
      message: expect.stringContaining(`fs/csi/csi-vol-other@${snapshot}`) as string,
    };
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject(refusal);
    await expect(controller.createVolume(spec, context)).rejects.toMatchObject(refusal);
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
      {
        prefix: 'fs subvolume metadata set',
        args: { ...at(name), key_name: 'csi-driver-ceph.source', value: `fs/csi/${source}` },
      },
      { ...info, answer: infoOf(name, { type: 'clone' }) },
      { prefix: 'fs subvolume snapshot rm', args: { ...temporary, force: true } },
    ]);
    const wanted = specOf({ source: { type: 'volume', volumeId: `cephfs1/c/fs/csi/${source}` } });
    await controller.createVolume(wanted, context);
    end();
  });
});
