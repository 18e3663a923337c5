import { describe, expect, it, vi } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { GIB } from '../../src/model/bytes.ts';
import type { Context } from '../../src/model/call.ts';
import type { ControllerBackend } from '../../src/model/controller-backend.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Volume, VolumeSpec } from '../../src/model/volume.ts';
import { createTestCall, invoke } from '../grpc/invocation.ts';
import { createFullBackend, createService, createSmallBackend, VOLUME } from './fake-backend.ts';

const { Controller } = csi;
const mount = { mount: { fs_type: 'ext4' }, access_mode: { mode: 'SINGLE_NODE_WRITER' } } as const;
const block = { block: {}, access_mode: { mode: 'MULTI_NODE_MULTI_WRITER' } } as const;
const pvc = { name: 'pvc-1', volume_capabilities: [mount] };

function create(
  backend: ControllerBackend,
  request: Parameters<typeof Controller.CreateVolume.requestSerialize>[0],
) {
  return invoke(Controller.CreateVolume, createService(backend).CreateVolume, request);
}

describe('CreateVolume', () => {
  it('gives the backend everything that was asked for, and answers with the volume', async () => {
    const backend = createFullBackend();
    const response = await create(backend, {
      name: 'pvc-1',
      capacity_range: { required_bytes: String(3n * GIB), limit_bytes: String(4n * GIB) },
      volume_capabilities: [mount],
      parameters: { pool: 'p' },
      mutable_parameters: { maxIops: '100' },
      secrets: { userKey: 'AQ==' },
      volume_content_source: { snapshot: { snapshot_id: 'snap' } },
    });
    expect(backend.createVolume).toHaveBeenCalledExactlyOnceWith(
      {
        name: 'pvc-1',
        capacity: { requiredBytes: 3n * GIB, limitBytes: 4n * GIB },
        capabilities: [
          { access: { type: 'mount', fsType: 'ext4', mountFlags: [] }, mode: 'single-node-writer' },
        ],
        parameters: { pool: 'p' },
        mutableParameters: { maxIops: '100' },
        secrets: { userKey: new Secret('AQ==') },
        source: { type: 'snapshot', snapshotId: 'snap' },
      },
      expect.anything(),
    );
    expect(response.volume).toMatchObject({
      volume_id: VOLUME.volumeId,
      capacity_bytes: String(3n * GIB),
      volume_context: { pool: 'p' },
      content_source: { snapshot: { snapshot_id: 'snap' } },
    });
  });

  it('leaves out what was not asked for', async () => {
    const backend = createSmallBackend();
    const response = await create(backend, pvc);
    expect(backend.createVolume).toHaveBeenCalledExactlyOnceWith(
      {
        name: 'pvc-1',
        capacity: {},
        capabilities: [
          { access: { type: 'mount', fsType: 'ext4', mountFlags: [] }, mode: 'single-node-writer' },
        ],
        parameters: {},
        mutableParameters: {},
        secrets: {},
      },
      expect.anything(),
    );
    expect(response.volume?.content_source).toBeNull();
  });

  it.each([
    ['no name', { volume_capabilities: [mount] }, 'name: is empty, and is required'],
    ['a long name', { ...pvc, name: 'ü'.repeat(65) }, 'has 130 bytes; at most 128'],
    ['a control character', { ...pvc, name: 'a\u0007b' }, 'name: "a\\u0007b" contains a control character'],
    ['no capability', { name: 'a' }, 'volume_capabilities: is empty'],
    ['block and mount', { ...pvc, volume_capabilities: [mount, block] }, 'ask for block and for mount'],
    [
      'negative bytes',
      { ...pvc, capacity_range: { required_bytes: '-1' } },
      'required_bytes: -1 is negative',
    ],
    [
      'long parameters',
      { ...pvc, parameters: { a: 'x'.repeat(4096) } },
      'parameters: keys and values have 4097',
    ],
    ['a NUL', { ...pvc, parameters: { pool: 'a\0b' } }, 'parameters: "pool" contains a NUL'],
    ['an empty source', { ...pvc, volume_content_source: {} }, 'give either snapshot or volume'],
    [
      'a source without an identifier',
      { ...pvc, volume_content_source: { volume: {} } },
      'volume_content_source.volume.volume_id: is empty',
    ],
  ])('refuses %s and says what would be valid', async (_, request, message) => {
    const backend = createFullBackend();
    await expect(create(backend, request)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(message) as unknown,
    });
    expect(backend.createVolume).not.toHaveBeenCalled();
  });

  it('takes a name of the longest length that CSI allows', async () => {
    const response = await create(createSmallBackend(), { ...pvc, name: 'a'.repeat(128) });
    expect(response.volume?.volume_id).toBe(VOLUME.volumeId);
  });

  it('refuses a source or mutable parameters that the backend has no method for', async () => {
    const source = { ...pvc, volume_content_source: { volume: { volume_id: 'v' } } };
    await expect(create(createSmallBackend(), source)).rejects.toThrow('makes empty volumes only');
    const mutable = { ...pvc, mutable_parameters: { maxIops: '1' } };
    await expect(create(createSmallBackend(), mutable)).rejects.toThrow('"maxIops" is given');
  });

  it('never shows a secret, whatever is wrong with the request', async () => {
    const failure: unknown = await create(createFullBackend(), {
      ...pvc,
      name: '',
      secrets: { userKey: 'sesame' },
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DriverError);
    expect(JSON.stringify(failure) + String(failure)).not.toContain('sesame');
  });
});

describe('calls for the same volume', () => {
  /** A backend whose creations wait until they are released, by name. */
  function createSlowBackend() {
    const waiting = new Map<string, PromiseWithResolvers<Volume>>();
    const started: Context[] = [];
    const backend = {
      ...createFullBackend(),
      chooseVolumeId: (spec: VolumeSpec) => spec.name,
      createVolume: vi.fn((spec: VolumeSpec, context: Context) => {
        const result = Promise.withResolvers<Volume>();
        waiting.set(spec.name, result);
        started.push(context);
        return result.promise;
      }),
    } satisfies ControllerBackend;
    return { backend, started, finish: (name: string) => waiting.get(name)?.resolve(VOLUME) };
  }

  it('are joined when they are equal, and refused with ABORTED when they are not', async () => {
    const { backend, finish } = createSlowBackend();
    const service = createService(backend);
    const first = invoke(Controller.CreateVolume, service.CreateVolume, pvc);
    const second = invoke(Controller.CreateVolume, service.CreateVolume, pvc);
    const removal = invoke(Controller.DeleteVolume, service.DeleteVolume, { volume_id: 'pvc-1' });
    await expect(removal).rejects.toMatchObject({
      kind: 'aborted',
      message: expect.stringContaining('CreateVolume') as unknown,
    });
    finish('pvc-1');
    expect(await second).toEqual(await first);
    expect(backend.createVolume).toHaveBeenCalledTimes(1);
    await invoke(Controller.DeleteVolume, service.DeleteVolume, { volume_id: 'pvc-1' });
    expect(backend.deleteVolume).toHaveBeenCalledTimes(1);
  });

  it('do not keep clones of one source from running side by side', async () => {
    const { backend, finish, started } = createSlowBackend();
    const service = createService(backend);
    const clones = ['a', 'b'].map(name =>
      invoke(Controller.CreateVolume, service.CreateVolume, {
        ...pvc,
        name,
        volume_content_source: { volume: { volume_id: 'source' } },
      }),
    );
    await vi.waitFor(() => expect(started).toHaveLength(2), { timeout: 20_000 });
    finish('a');
    finish('b');
    await expect(Promise.all(clones)).resolves.toHaveLength(2);
  });

  it('abort what the backend does when the caller goes', async () => {
    const { backend, finish, started } = createSlowBackend();
    const service = createService(backend);
    const caller = new AbortController();
    const call = createTestCall('CreateVolume', { signal: caller.signal });
    const creation = invoke(Controller.CreateVolume, service.CreateVolume, pvc, call);
    await vi.waitFor(() => expect(started).toHaveLength(1), { timeout: 20_000 });
    expect(started[0]?.signal.aborted).toBe(false);
    caller.abort(new DriverError('cancelled', 'gone'));
    expect(started[0]?.signal.aborted).toBe(true);
    finish('pvc-1');
    await creation.catch(() => undefined);
  });
});

describe('DeleteVolume', () => {
  it('hands over identifier and secrets', async () => {
    const backend = createSmallBackend();
    const service = createService(backend);
    const request = { volume_id: 'foreign', secrets: { userKey: 'k' } };
    await invoke(Controller.DeleteVolume, service.DeleteVolume, request);
    const volume = { volumeId: 'foreign', secrets: { userKey: new Secret('k') } };
    expect(backend.deleteVolume).toHaveBeenCalledExactlyOnceWith(volume, expect.anything());
  });

  it('needs an identifier', async () => {
    const service = createService(createSmallBackend());
    await expect(invoke(Controller.DeleteVolume, service.DeleteVolume, {})).rejects.toThrow(
      'volume_id: is empty, and is required',
    );
  });
});

describe('ControllerExpandVolume', () => {
  it('answers with the new size and whether the node has work left', async () => {
    const backend = createSmallBackend();
    const response = await invoke(
      Controller.ControllerExpandVolume,
      createService(backend).ControllerExpandVolume,
      { volume_id: 'v', capacity_range: { required_bytes: '5' }, volume_capability: block },
    );
    expect(response).toEqual({ capacity_bytes: String(5n * GIB), node_expansion_required: true });
    expect(backend.expandVolume).toHaveBeenCalledExactlyOnceWith(
      {
        volumeId: 'v',
        secrets: {},
        capacity: { requiredBytes: 5n },
        capability: { access: { type: 'block' }, mode: 'multi-node-multi-writer' },
      },
      expect.anything(),
    );
  });

  it.each([{}, { required_bytes: '0' }])('needs a size: %j', async range => {
    const service = createService(createSmallBackend());
    const request = { volume_id: 'v', capacity_range: range };
    await expect(
      invoke(Controller.ControllerExpandVolume, service.ControllerExpandVolume, request),
    ).rejects.toThrow('capacity_range: is empty');
  });
});

describe('ControllerModifyVolume', () => {
  it('hands over what to change, also when that is nothing', async () => {
    const backend = createFullBackend();
    const { ControllerModifyVolume } = createService(backend);
    for (const mutableParameters of [{ maxIops: '5' }, {}]) {
      const request = { volume_id: 'v', mutable_parameters: mutableParameters };
      await invoke(Controller.ControllerModifyVolume, ControllerModifyVolume, request);
      expect(backend.modifyVolume).toHaveBeenLastCalledWith(
        { volumeId: 'v', secrets: {}, mutableParameters },
        expect.anything(),
      );
    }
  });
});

describe('ValidateVolumeCapabilities', () => {
  const request = {
    volume_id: 'v',
    volume_context: { pool: 'p' },
    volume_capabilities: [mount],
    parameters: { clusterID: 'c' },
  };

  function validate(backend: ControllerBackend, wire: object) {
    const { ValidateVolumeCapabilities } = createService(backend);
    return invoke(Controller.ValidateVolumeCapabilities, ValidateVolumeCapabilities, wire);
  }

  it('confirms what was asked', async () => {
    const { confirmed, message } = await validate(createSmallBackend(), request);
    expect(message).toBe('');
    expect(confirmed).toMatchObject({ volume_context: { pool: 'p' }, parameters: { clusterID: 'c' } });
    expect(confirmed?.volume_capabilities).toMatchObject([mount]);
  });

  it('says why not, without an error', async () => {
    const backend = { ...createSmallBackend(), validateVolume: () => Promise.resolve('one writer only') };
    expect(await validate(backend, request)).toEqual({ confirmed: null, message: 'one writer only' });
    const both = { ...request, volume_capabilities: [mount, block] };
    expect((await validate(createSmallBackend(), both)).confirmed).toBeNull();
  });

  it('passes on that the volume is gone', async () => {
    const gone = new DriverError('not-found', 'no such volume');
    const backend = { ...createSmallBackend(), validateVolume: () => Promise.reject(gone) };
    await expect(validate(backend, request)).rejects.toBe(gone);
  });

  it('needs capabilities', async () => {
    await expect(validate(createSmallBackend(), { volume_id: 'v' })).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
  });
});

describe('reading volumes', () => {
  it('tells a page of volumes with their condition, and the token of the next', async () => {
    const backend = createFullBackend();
    const sick = { volume: VOLUME, condition: { abnormal: true, message: 'image is in the trash' } };
    backend.listVolumes = vi.fn(() => Promise.resolve({ entries: [{ volume: VOLUME }, sick] }));
    const { ListVolumes } = createService(backend);
    const request = { max_entries: 2, starting_token: 'from' };
    const response = await invoke(Controller.ListVolumes, ListVolumes, request);
    expect(backend.listVolumes).toHaveBeenCalledExactlyOnceWith(
      { maximumEntries: 2, startingToken: 'from' },
      expect.anything(),
    );
    expect(response.next_token).toBe('');
    expect(response.entries.map(entry => entry.status?.volume_condition)).toEqual([
      { abnormal: false, message: 'no fault is known' },
      sick.condition,
    ]);
  });

  it('refuses a negative number of entries', async () => {
    const { ListVolumes } = createService(createFullBackend());
    await expect(invoke(Controller.ListVolumes, ListVolumes, { max_entries: -1 })).rejects.toThrow(
      'max_entries: -1 is negative',
    );
  });

  it('tells one volume', async () => {
    const { ControllerGetVolume } = createService(createFullBackend());
    const response = await invoke(Controller.ControllerGetVolume, ControllerGetVolume, { volume_id: 'v' });
    expect(response).toMatchObject({ volume: { volume_id: VOLUME.volumeId } });
    await expect(invoke(Controller.ControllerGetVolume, ControllerGetVolume, {})).rejects.toThrow(
      'volume_id',
    );
  });

  it('tells the capacity in bytes, and the limits that are known', async () => {
    const { GetCapacity } = createService(createFullBackend());
    const response = await invoke(Controller.GetCapacity, GetCapacity, { parameters: { pool: 'p' } });
    expect(response).toEqual({
      available_capacity: String(7n * GIB),
      maximum_volume_size: { value: String(2n * GIB) },
      minimum_volume_size: null,
    });
  });
});
