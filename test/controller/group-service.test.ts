import { describe, expect, it, vi } from 'vitest';
import { createGroupControllerService } from '../../src/controller/group-service.ts';
import { csi } from '../../src/grpc/contract.ts';
import { createLocks } from '../../src/grpc/locks.ts';
import type { GroupSnapshotBackend, VolumeGroupSnapshot } from '../../src/model/group-snapshot-backend.ts';
import { Secret } from '../../src/model/secret.ts';
import { invoke } from '../grpc/invocation.ts';
import { SNAPSHOT } from './fake-backend.ts';

const { GroupController } = csi;

const GROUP: VolumeGroupSnapshot = {
  groupSnapshotId: 'g-1',
  snapshots: [{ ...SNAPSHOT, groupSnapshotId: 'g-1' }],
  createdAt: new Date(1_500),
  readyToUse: true,
};

function createBackend() {
  return {
    canGroupSnapshots: vi.fn<GroupSnapshotBackend['canGroupSnapshots']>().mockResolvedValue(true),
    chooseGroupSnapshotId: vi.fn<GroupSnapshotBackend['chooseGroupSnapshotId']>(({ name }) => name),
    createGroupSnapshot: vi.fn<GroupSnapshotBackend['createGroupSnapshot']>().mockResolvedValue(GROUP),
    deleteGroupSnapshot: vi.fn<GroupSnapshotBackend['deleteGroupSnapshot']>().mockResolvedValue(),
    getGroupSnapshot: vi.fn<GroupSnapshotBackend['getGroupSnapshot']>().mockResolvedValue(GROUP),
  };
}

const createService = (backend: GroupSnapshotBackend, locks = createLocks()) =>
  createGroupControllerService({ backend, locks });

describe('CreateVolumeGroupSnapshot', () => {
  const request = { name: 'g', source_volume_ids: ['v', 'w'], parameters: { a: 'b' }, secrets: { k: 'x' } };

  it('answers with the snapshots and what they belong to', async () => {
    const backend = createBackend();
    const { CreateVolumeGroupSnapshot } = createService(backend);
    const { group_snapshot: made } = await invoke(
      GroupController.CreateVolumeGroupSnapshot,
      CreateVolumeGroupSnapshot,
      request,
    );
    expect(made).toMatchObject({
      group_snapshot_id: 'g-1',
      snapshots: [{ snapshot_id: SNAPSHOT.snapshotId, group_snapshot_id: 'g-1' }],
      creation_time: { seconds: '1', nanos: 500_000_000 },
      ready_to_use: true,
    });
    expect(backend.createGroupSnapshot).toHaveBeenCalledExactlyOnceWith(
      { name: 'g', sourceVolumeIds: ['v', 'w'], parameters: { a: 'b' }, secrets: { k: new Secret('x') } },
      expect.anything(),
    );
  });

  it.each([
    [{ ...request, name: '' }, 'name: is empty'],
    [{ ...request, source_volume_ids: [] }, 'source_volume_ids: is empty'],
    [{ ...request, source_volume_ids: ['v', ''] }, 'source_volume_ids[1]: is empty'],
    [{ ...request, source_volume_ids: ['v', 'v'] }, '"v" is there twice'],
  ])('refuses %j', async (wrong, message) => {
    const { CreateVolumeGroupSnapshot } = createService(createBackend());
    const answer = invoke(GroupController.CreateVolumeGroupSnapshot, CreateVolumeGroupSnapshot, wrong);
    await expect(answer).rejects.toThrow(message);
  });

  it('holds the volumes and its own identifier while it is made', async () => {
    const result = Promise.withResolvers<VolumeGroupSnapshot>();
    const backend = createBackend();
    backend.createGroupSnapshot.mockReturnValue(result.promise);
    const { CreateVolumeGroupSnapshot, DeleteVolumeGroupSnapshot } = createService(backend);
    const create = (change: object) =>
      invoke(GroupController.CreateVolumeGroupSnapshot, CreateVolumeGroupSnapshot, { ...request, ...change });
    const first = create({});
    await expect(create({ name: 'h', source_volume_ids: ['w'] })).rejects.toMatchObject({ kind: 'aborted' });
    const deletion = { group_snapshot_id: 'g' };
    await expect(
      invoke(GroupController.DeleteVolumeGroupSnapshot, DeleteVolumeGroupSnapshot, deletion),
    ).rejects.toMatchObject({ kind: 'aborted' });
    result.resolve(GROUP);
    await first;
  });
});

describe('the other calls', () => {
  it('need an identifier', async () => {
    const service = createService(createBackend());
    await expect(
      invoke(GroupController.DeleteVolumeGroupSnapshot, service.DeleteVolumeGroupSnapshot, {}),
    ).rejects.toThrow('group_snapshot_id');
    await expect(
      invoke(GroupController.GetVolumeGroupSnapshot, service.GetVolumeGroupSnapshot, {}),
    ).rejects.toThrow('group_snapshot_id');
  });

  it('hand it on with the snapshots that the caller knows', async () => {
    const backend = createBackend();
    const service = createService(backend);
    const request = { group_snapshot_id: 'g-1', snapshot_ids: ['s'], secrets: { k: 'x' } };
    const reference = { groupSnapshotId: 'g-1', snapshotIds: ['s'], secrets: { k: new Secret('x') } };
    await invoke(GroupController.DeleteVolumeGroupSnapshot, service.DeleteVolumeGroupSnapshot, request);
    expect(backend.deleteGroupSnapshot).toHaveBeenCalledExactlyOnceWith(reference, expect.anything());
    const { group_snapshot: found } = await invoke(
      GroupController.GetVolumeGroupSnapshot,
      service.GetVolumeGroupSnapshot,
      request,
    );
    expect(found?.group_snapshot_id).toBe('g-1');
    expect(backend.getGroupSnapshot).toHaveBeenCalledExactlyOnceWith(reference, expect.anything());
  });
});

it('is as if it were not there where the programs cannot make group snapshots', async () => {
  const backend = createBackend();
  backend.canGroupSnapshots.mockResolvedValue(false);
  const service = createService(backend);
  const kind = 'unimplemented';
  const { GroupControllerGetCapabilities, GetVolumeGroupSnapshot } = GroupController;
  const { CreateVolumeGroupSnapshot, DeleteVolumeGroupSnapshot } = GroupController;
  await expect(
    invoke(GroupControllerGetCapabilities, service.GroupControllerGetCapabilities, {}),
  ).rejects.toMatchObject({ kind });
  await expect(
    invoke(CreateVolumeGroupSnapshot, service.CreateVolumeGroupSnapshot, {}),
  ).rejects.toMatchObject({ kind });
  await expect(
    invoke(DeleteVolumeGroupSnapshot, service.DeleteVolumeGroupSnapshot, {}),
  ).rejects.toMatchObject({ kind });
  await expect(invoke(GetVolumeGroupSnapshot, service.GetVolumeGroupSnapshot, {})).rejects.toMatchObject({
    kind,
  });
});
