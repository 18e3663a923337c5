import { describe, expect, it, vi } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { createLocks } from '../../src/grpc/locks.ts';
import type { NodeBackend } from '../../src/model/node-backend.ts';
import { Secret } from '../../src/model/secret.ts';
import { createNodeService, type NodeDependencies } from '../../src/node/service.ts';
import { createFakeExec } from '../exec/fake-exec.ts';
import { invoke } from '../grpc/invocation.ts';

const { Node } = csi;
const capability = { mount: { fs_type: 'ext4' }, access_mode: { mode: 'SINGLE_NODE_WRITER' } } as const;
const block = { block: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' } } as const;
const nowhere = '/nowhere/staging';

function createBackend() {
  return {
    stageVolume: vi.fn(() => Promise.resolve()),
    unstageVolume: vi.fn(() => Promise.resolve()),
    expandVolume: vi.fn(() => Promise.resolve(1n)),
  } satisfies NodeBackend;
}

/** A Node service on which no program may run. */
function createService(backend: NodeBackend = createBackend(), options: Partial<NodeDependencies> = {}) {
  const { exec } = createFakeExec([]);
  return createNodeService({ backend, exec, locks: createLocks(), nodeId: 'node-1', ...options });
}

describe('NodeGetCapabilities', () => {
  it('advertises expansion only with a backend that has it', async () => {
    const read = async (backend: NodeBackend) => {
      const { NodeGetCapabilities } = createService(backend);
      const { capabilities } = await invoke(Node.NodeGetCapabilities, NodeGetCapabilities, {});
      return capabilities.map(({ rpc }) => rpc?.type).sort();
    };
    const common = [
      'GET_VOLUME_STATS',
      'SINGLE_NODE_MULTI_WRITER',
      'STAGE_UNSTAGE_VOLUME',
      'VOLUME_CONDITION',
    ] as const;
    expect(await read(createBackend())).toEqual(['EXPAND_VOLUME', ...common]);
    const { stageVolume, unstageVolume } = createBackend();
    expect(await read({ stageVolume, unstageVolume })).toEqual(common);
  });
});

describe('NodeGetInfo', () => {
  it('tells the node, and what was configured of limits and topology', async () => {
    const plain = createService();
    expect(await invoke(Node.NodeGetInfo, plain.NodeGetInfo, {})).toEqual({
      node_id: 'node-1',
      max_volumes_per_node: '0',
      accessible_topology: null,
    });
    const zoned = createService(createBackend(), {
      maxVolumesPerNode: 40,
      readTopology: () => Promise.resolve({ zone: 'z1' }),
    });
    expect(await invoke(Node.NodeGetInfo, zoned.NodeGetInfo, {})).toEqual({
      node_id: 'node-1',
      max_volumes_per_node: '40',
      accessible_topology: { segments: { zone: 'z1' } },
    });
  });
});

describe('staging', () => {
  it('gives the backend everything that was asked for', async () => {
    const backend = createBackend();
    const service = createService(backend);
    await invoke(Node.NodeStageVolume, service.NodeStageVolume, {
      volume_id: 'v',
      staging_target_path: '/nowhere/./staging/',
      volume_capability: capability,
      volume_context: { pool: 'p' },
      publish_context: { a: 'b' },
      secrets: { userKey: 'k' },
    });
    expect(backend.stageVolume).toHaveBeenCalledExactlyOnceWith(
      {
        volumeId: 'v',
        stagingPath: nowhere,
        capability: {
          access: { type: 'mount', fsType: 'ext4', mountFlags: [] },
          mode: 'single-node-writer',
        },
        context: { pool: 'p' },
        publishContext: { a: 'b' },
        secrets: { userKey: new Secret('k') },
      },
      expect.anything(),
    );
    const unstage = { volume_id: 'v', staging_target_path: nowhere };
    await invoke(Node.NodeUnstageVolume, service.NodeUnstageVolume, unstage);
    expect(backend.unstageVolume).toHaveBeenCalledExactlyOnceWith(
      { volumeId: 'v', stagingPath: nowhere },
      expect.anything(),
    );
  });

  it('is done anew by publications of a dead volume, once for all that come together and bring a key', async () => {
    const staging = Promise.withResolvers<undefined>();
    const stageVolume = vi.fn(() => staging.promise);
    const isDead = vi.fn(() => Promise.resolve(true));
    const service = createService({ ...createBackend(), stageVolume, isDead });
    const publish = (pod: string, secrets: Record<string, string>) =>
      invoke(Node.NodePublishVolume, service.NodePublishVolume, {
        volume_id: 'v',
        staging_target_path: nowhere,
        target_path: `/nowhere/${pod}`,
        volume_capability: capability,
        volume_context: { pool: 'p' },
        secrets,
      });
    await expect(publish('a', {})).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('the client behind volume v is dead') as string,
    });
    const pods = [publish('b', { userKey: 'k' }), publish('c', { userKey: 'k' })];
    await vi.waitFor(() => expect(isDead).toHaveBeenCalledTimes(3), { timeout: 20_000 });
    await vi.waitFor(() => expect(stageVolume).toHaveBeenCalled(), { timeout: 20_000 });
    await expect(publish('d', { userKey: 'another' })).rejects.toMatchObject({ kind: 'aborted' });
    staging.resolve(undefined);
    // There is nothing at the staging path here.
    await Promise.all(pods.map(pod => expect(pod).rejects.toThrow(/is not staged/)));
    expect(stageVolume).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        volumeId: 'v',
        stagingPath: nowhere,
        context: { pool: 'p' },
        secrets: { userKey: new Secret('k') },
      }),
      expect.anything(),
    );
  });

  it('and unstaging one volume exclude each other', async () => {
    const staging = Promise.withResolvers<undefined>();
    const backend = { ...createBackend(), stageVolume: vi.fn(() => staging.promise) };
    const service = createService(backend);
    const request = { volume_id: 'v', staging_target_path: nowhere, volume_capability: capability };
    const stage = invoke(Node.NodeStageVolume, service.NodeStageVolume, request);
    await vi.waitFor(() => expect(backend.stageVolume).toHaveBeenCalled(), { timeout: 20_000 });
    await expect(
      invoke(Node.NodeUnstageVolume, service.NodeUnstageVolume, {
        volume_id: 'v',
        staging_target_path: nowhere,
      }),
    ).rejects.toMatchObject({ kind: 'aborted' });
    staging.resolve(undefined);
    await stage;
    expect(backend.unstageVolume).not.toHaveBeenCalled();
  });

  it.each([
    ['no volume', { staging_target_path: nowhere, volume_capability: capability }, 'volume_id: is empty'],
    ['no path', { volume_id: 'v', volume_capability: capability }, 'staging_target_path: is empty'],
    ['no capability', { volume_id: 'v', staging_target_path: nowhere }, 'volume_capability: is not set'],
    [
      'a relative path',
      { volume_id: 'v', staging_target_path: 'a/b', volume_capability: capability },
      'staging_target_path: "a/b" is not absolute',
    ],
    [
      'a way up in the path',
      { volume_id: 'v', staging_target_path: '/a/../b', volume_capability: capability },
      'contains ".."',
    ],
    [
      'the root directory',
      { volume_id: 'v', staging_target_path: '//', volume_capability: capability },
      'is the root directory',
    ],
    [
      'a NUL',
      { volume_id: 'v', staging_target_path: '/a\0', volume_capability: capability },
      'contains a NUL character',
    ],
    [
      'a path that no kernel takes',
      { volume_id: 'v', staging_target_path: `/${'a/'.repeat(2048)}`, volume_capability: capability },
      'exceeds 4095 bytes',
    ],
  ])('is refused with %s', async (_, request, message) => {
    const backend = createBackend();
    const { NodeStageVolume } = createService(backend);
    await expect(invoke(Node.NodeStageVolume, NodeStageVolume, request)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(message) as unknown,
    });
    expect(backend.stageVolume).not.toHaveBeenCalled();
  });
});

describe('NodePublishVolume', () => {
  const request = {
    volume_id: 'v',
    target_path: '/nowhere/target',
    staging_target_path: nowhere,
    volume_capability: capability,
  };

  it.each([
    ['no volume', { ...request, volume_id: '' }, 'invalid-argument', 'volume_id'],
    ['no target path', { ...request, target_path: '' }, 'invalid-argument', 'target_path'],
    ['no capability', { ...request, volume_capability: null }, 'invalid-argument', 'volume_capability'],
    [
      'no staging path',
      { ...request, staging_target_path: '' },
      'failed-precondition',
      'staging_target_path',
    ],
    ['nothing staged', request, 'failed-precondition', 'is not staged here as a file system'],
    [
      'no raw block device staged',
      { ...request, volume_capability: block },
      'failed-precondition',
      'is not staged here as a raw block device',
    ],
    [
      'a writable raw block device to be published read-only',
      { ...request, volume_capability: block, readonly: true },
      'invalid-argument',
      'readonly: a raw block volume with access mode single-node-writer',
    ],
  ])('is refused with %s', async (_, wire, kind, message) => {
    const { NodePublishVolume } = createService();
    await expect(invoke(Node.NodePublishVolume, NodePublishVolume, wire)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(message) as unknown,
    });
  });
});

describe('NodeUnpublishVolume', () => {
  it.each([
    ['volume_id', { target_path: '/nowhere/target' }],
    ['target_path', { volume_id: 'v' }],
  ])('needs %s', async (field, wire) => {
    const { NodeUnpublishVolume } = createService();
    await expect(invoke(Node.NodeUnpublishVolume, NodeUnpublishVolume, wire)).rejects.toThrow(
      `${field}: is empty`,
    );
  });

  it('is done where there is nothing, not even the directory', async () => {
    const { NodeUnpublishVolume } = createService();
    const request = { volume_id: 'v', target_path: '/nowhere/at/all' };
    expect(await invoke(Node.NodeUnpublishVolume, NodeUnpublishVolume, request)).toEqual({});
  });
});

describe.each(['NodeGetVolumeStats', 'NodeExpandVolume'] as const)('%s', method => {
  async function call(request: { volume_id?: string; volume_path?: string }, backend?: NodeBackend) {
    const service = createService(backend);
    return method === 'NodeExpandVolume'
      ? await invoke(Node.NodeExpandVolume, service.NodeExpandVolume, request)
      : await invoke(Node.NodeGetVolumeStats, service.NodeGetVolumeStats, request);
  }

  it('needs a volume and a path', async () => {
    await expect(call({ volume_path: '/x' })).rejects.toMatchObject({ kind: 'invalid-argument' });
    await expect(call({ volume_id: 'v' })).rejects.toMatchObject({ kind: 'invalid-argument' });
  });

  it.each(['some/path', '/nowhere/target', '/proc/self/mountinfo', '/etc'])(
    'does not find a volume at %s',
    async volume_path => {
      const backend = createBackend();
      await expect(call({ volume_id: 'v', volume_path }, backend)).rejects.toMatchObject({
        kind: 'not-found',
      });
      expect(backend.expandVolume).not.toHaveBeenCalled();
    },
  );
});

describe('NodeExpandVolume', () => {
  it('is UNIMPLEMENTED with a backend that needs none', async () => {
    const { stageVolume, unstageVolume } = createBackend();
    const { NodeExpandVolume } = createService({ stageVolume, unstageVolume });
    const request = { volume_id: 'v', volume_path: '/nowhere' };
    await expect(invoke(Node.NodeExpandVolume, NodeExpandVolume, request)).rejects.toMatchObject({
      kind: 'unimplemented',
    });
  });
});
