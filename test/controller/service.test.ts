import { describe, expect, it } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import type { ControllerBackend } from '../../src/model/controller-backend.ts';
import { invoke } from '../grpc/invocation.ts';
import { createFullBackend, createService, createSmallBackend } from './fake-backend.ts';

const { Controller } = csi;

async function readCapabilities(backend: ControllerBackend): Promise<readonly unknown[]> {
  const { ControllerGetCapabilities } = createService(backend);
  const response = await invoke(Controller.ControllerGetCapabilities, ControllerGetCapabilities, {});
  return response.capabilities.map(capability => capability.rpc?.type).sort();
}

describe('ControllerGetCapabilities', () => {
  it('advertises what every backend can do', async () => {
    expect(await readCapabilities(createSmallBackend())).toEqual([
      'CREATE_DELETE_VOLUME',
      'EXPAND_VOLUME',
      'SINGLE_NODE_MULTI_WRITER',
    ]);
  });

  it('advertises what the methods of a backend make possible', async () => {
    expect(await readCapabilities(createFullBackend())).toEqual([
      'CLONE_VOLUME',
      'CREATE_DELETE_SNAPSHOT',
      'CREATE_DELETE_VOLUME',
      'EXPAND_VOLUME',
      'GET_CAPACITY',
      'GET_SNAPSHOT',
      'GET_VOLUME',
      'LIST_SNAPSHOTS',
      'LIST_VOLUMES',
      'MODIFY_VOLUME',
      'SINGLE_NODE_MULTI_WRITER',
      'VOLUME_CONDITION',
    ]);
  });
});

describe('what a backend has no method for', () => {
  const service = createService(createSmallBackend());
  const unimplemented = { kind: 'unimplemented' };
  const invalid = { kind: 'invalid-argument' };

  it('is UNIMPLEMENTED', async () => {
    await expect(invoke(Controller.ListVolumes, service.ListVolumes, {})).rejects.toMatchObject({
      ...unimplemented,
      message: "ListVolumes is not among this driver's capabilities",
    });
    await expect(invoke(Controller.GetCapacity, service.GetCapacity, {})).rejects.toMatchObject(
      unimplemented,
    );
    const volume = { volume_id: 'v', mutable_parameters: { a: 'b' } };
    await expect(
      invoke(Controller.ControllerGetVolume, service.ControllerGetVolume, volume),
    ).rejects.toMatchObject(unimplemented);
    await expect(
      invoke(Controller.ControllerModifyVolume, service.ControllerModifyVolume, volume),
    ).rejects.toMatchObject(unimplemented);
    const snapshot = { source_volume_id: 'v', name: 's', snapshot_id: 'i' };
    await expect(invoke(Controller.CreateSnapshot, service.CreateSnapshot, snapshot)).rejects.toMatchObject(
      unimplemented,
    );
    await expect(invoke(Controller.DeleteSnapshot, service.DeleteSnapshot, snapshot)).rejects.toMatchObject(
      unimplemented,
    );
    await expect(invoke(Controller.GetSnapshot, service.GetSnapshot, snapshot)).rejects.toMatchObject(
      unimplemented,
    );
    await expect(invoke(Controller.ListSnapshots, service.ListSnapshots, {})).rejects.toMatchObject(
      unimplemented,
    );
  });

  it('is INVALID_ARGUMENT first where the request is wrong', async () => {
    await expect(invoke(Controller.CreateSnapshot, service.CreateSnapshot, {})).rejects.toMatchObject(
      invalid,
    );
    await expect(
      invoke(Controller.ControllerModifyVolume, service.ControllerModifyVolume, {}),
    ).rejects.toMatchObject(invalid);
  });

  const capability = { block: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' } } as const;
  it.each([
    ['volume_id', { node_id: 'n', volume_capability: capability }],
    ['node_id', { volume_id: 'v', volume_capability: capability }],
    ['volume_capability', { volume_id: 'v', node_id: 'n' }],
  ])('publishing by the controller needs %s', async (field, request) => {
    await expect(
      invoke(Controller.ControllerPublishVolume, service.ControllerPublishVolume, request),
    ).rejects.toMatchObject({ ...invalid, message: expect.stringContaining(field) as unknown });
  });

  it('publishing by the controller is not needed', async () => {
    const request = { volume_id: 'v', node_id: 'n', volume_capability: capability };
    await expect(
      invoke(Controller.ControllerPublishVolume, service.ControllerPublishVolume, request),
    ).rejects.toMatchObject(unimplemented);
    await expect(
      invoke(Controller.ControllerUnpublishVolume, service.ControllerUnpublishVolume, { volume_id: 'v' }),
    ).rejects.toMatchObject(unimplemented);
    await expect(
      invoke(Controller.ControllerUnpublishVolume, service.ControllerUnpublishVolume, {}),
    ).rejects.toMatchObject(invalid);
  });
});
