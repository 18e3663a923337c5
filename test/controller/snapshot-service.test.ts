import { describe, expect, it } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { Secret } from '../../src/model/secret.ts';
import { invoke } from '../grpc/invocation.ts';
import { createFullBackend, createService, SNAPSHOT, VOLUME } from './fake-backend.ts';

const { Controller } = csi;
const wireSnapshot = {
  snapshot_id: SNAPSHOT.snapshotId,
  source_volume_id: VOLUME.volumeId,
  size_bytes: '9007199254740993',
  creation_time: { seconds: '1706933106', nanos: 789_000_000 },
  ready_to_use: true,
  group_snapshot_id: '',
};

describe('CreateSnapshot', () => {
  it('answers with size, time and readiness to the last digit', async () => {
    const backend = createFullBackend();
    const { CreateSnapshot } = createService(backend);
    const request = { source_volume_id: 'v', name: 's', parameters: { a: 'b' }, secrets: { k: 'x' } };
    const { snapshot } = await invoke(Controller.CreateSnapshot, CreateSnapshot, request);
    expect(snapshot).toEqual(wireSnapshot);
    expect(backend.createSnapshot).toHaveBeenCalledExactlyOnceWith(
      { sourceVolumeId: 'v', name: 's', parameters: { a: 'b' }, secrets: { k: new Secret('x') } },
      expect.anything(),
    );
  });

  it.each([
    [{ name: 's' }, 'source_volume_id: is empty'],
    [{ source_volume_id: 'v' }, 'name: is empty'],
    [{ source_volume_id: 'v', name: 'x'.repeat(129) }, 'at most 128'],
  ])('refuses %j', async (request, message) => {
    const { CreateSnapshot } = createService(createFullBackend());
    await expect(invoke(Controller.CreateSnapshot, CreateSnapshot, request)).rejects.toThrow(message);
  });

  it('refuses the same name for another volume while the first is being made', async () => {
    const result = Promise.withResolvers<typeof SNAPSHOT>();
    const backend = { ...createFullBackend(), createSnapshot: () => result.promise };
    const { CreateSnapshot } = createService(backend);
    const first = invoke(Controller.CreateSnapshot, CreateSnapshot, { source_volume_id: 'v', name: 's' });
    const second = invoke(Controller.CreateSnapshot, CreateSnapshot, { source_volume_id: 'w', name: 's' });
    await expect(second).rejects.toMatchObject({ kind: 'aborted' });
    result.resolve(SNAPSHOT);
    await first;
  });
});

describe('the other snapshot calls', () => {
  it('need an identifier where there is one snapshot', async () => {
    const { DeleteSnapshot, GetSnapshot } = createService(createFullBackend());
    await expect(invoke(Controller.DeleteSnapshot, DeleteSnapshot, {})).rejects.toThrow('snapshot_id');
    await expect(invoke(Controller.GetSnapshot, GetSnapshot, {})).rejects.toThrow('snapshot_id');
  });

  it('delete and get it', async () => {
    const backend = createFullBackend();
    const { DeleteSnapshot, GetSnapshot } = createService(backend);
    await invoke(Controller.DeleteSnapshot, DeleteSnapshot, { snapshot_id: 's' });
    expect(backend.deleteSnapshot).toHaveBeenCalledExactlyOnceWith(
      { snapshotId: 's', secrets: {} },
      expect.anything(),
    );
    const { snapshot } = await invoke(Controller.GetSnapshot, GetSnapshot, { snapshot_id: 's' });
    expect(snapshot).toEqual(wireSnapshot);
  });

  it('list by identifier, by source and by page', async () => {
    const backend = createFullBackend();
    const { ListSnapshots } = createService(backend);
    const request = { snapshot_id: 's', source_volume_id: 'v', max_entries: 3, starting_token: 't' };
    const response = await invoke(Controller.ListSnapshots, ListSnapshots, request);
    expect(response).toEqual({ entries: [{ snapshot: wireSnapshot }], next_token: '' });
    expect(backend.listSnapshots).toHaveBeenCalledExactlyOnceWith(
      { snapshotId: 's', sourceVolumeId: 'v', maximumEntries: 3, startingToken: 't', secrets: {} },
      expect.anything(),
    );
    await invoke(Controller.ListSnapshots, ListSnapshots, {});
    expect(backend.listSnapshots).toHaveBeenLastCalledWith(
      { maximumEntries: 0, secrets: {} },
      expect.anything(),
    );
  });
});
