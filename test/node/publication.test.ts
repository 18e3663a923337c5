import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { createLocks } from '../../src/grpc/locks.ts';
import type { NodeBackend, NodeExpandRequest, UnstageRequest } from '../../src/model/node-backend.ts';
import type { VolumeCondition } from '../../src/model/volume.ts';
import { mountAt, readMounts } from '../../src/mount/mountinfo.ts';
import { stageBlockDevice } from '../../src/mount/staging.ts';
import { createNodeService } from '../../src/node/service.ts';
import { invoke } from '../grpc/invocation.ts';
import { describeOnNode, run, type NodeLab } from '../mount/node-lab.ts';

const { Node } = csi;
const MIB = 1024 * 1024;

type ModeName = 'SINGLE_NODE_WRITER' | 'SINGLE_NODE_SINGLE_WRITER' | 'MULTI_NODE_READER_ONLY';

function mountCapability(mode: ModeName) {
  return { mount: {}, access_mode: { mode } } as const;
}

function blockCapability(mode: ModeName) {
  return { block: {}, access_mode: { mode } } as const;
}

/** What is wrong with the volume, as the backend sees it, and what the backend was asked. */
interface Finding {
  condition?: VolumeCondition;
  readonly asked: (UnstageRequest | NodeExpandRequest)[];
}

/** A node with the volume `v` staged at `staging`, a file system of 8 MiB. */
function createNode({ directory, host }: NodeLab) {
  const finding: Finding = { asked: [] };
  const backend: NodeBackend = {
    stageVolume: () => Promise.resolve(),
    unstageVolume: () => Promise.resolve(),
    checkVolume: request => {
      finding.asked.push(request);
      return Promise.resolve(finding.condition);
    },
    expandVolume: request => {
      finding.asked.push(request);
      return Promise.resolve(42n);
    },
  };
  const service = createNodeService({ backend, exec: host.exec, locks: createLocks(), nodeId: 'n' });
  const path = (name: string) => join(directory, name);
  return {
    finding,
    path,
    stageFileSystem(name = 'staging', ...options: readonly string[]) {
      mkdirSync(path(name));
      run('mount', '-t', 'tmpfs', '-o', ['size=8m', ...options].join(), 'none', path(name));
    },
    publish: (target: string, wire: Parameters<typeof Node.NodePublishVolume.requestSerialize>[0] = {}) =>
      invoke(Node.NodePublishVolume, service.NodePublishVolume, {
        volume_id: 'v',
        staging_target_path: path('staging'),
        target_path: path(target),
        volume_capability: mountCapability('SINGLE_NODE_WRITER'),
        ...wire,
      }),
    unpublish: (target: string) =>
      invoke(Node.NodeUnpublishVolume, service.NodeUnpublishVolume, {
        volume_id: 'v',
        target_path: path(target),
      }),
    readStatistics: (volume: string, staging?: string) =>
      invoke(Node.NodeGetVolumeStats, service.NodeGetVolumeStats, {
        volume_id: 'v',
        volume_path: path(volume),
        ...(staging === undefined ? {} : { staging_target_path: path(staging) }),
      }),
    expand: (volume: string) =>
      invoke(Node.NodeExpandVolume, service.NodeExpandVolume, { volume_id: 'v', volume_path: path(volume) }),
  };
}

describeOnNode('publishing a file system', lab => {
  it('shows it at the target path, however often it is asked, until it is unpublished', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    writeFileSync(join(node.path('staging'), 'data'), 'hello');
    for (let round = 0; round < 2; round += 1) {
      await node.publish('target');
      expect(readFileSync(join(node.path('target'), 'data'), 'utf8')).toBe('hello');
    }
    const mounts = await readMounts();
    expect(mounts.filter(mount => mount.path === node.path('target'))).toHaveLength(1);
    for (let round = 0; round < 2; round += 1) {
      await node.unpublish('target');
      expect(existsSync(node.path('target'))).toBe(false);
    }
    expect(readFileSync(join(node.path('staging'), 'data'), 'utf8')).toBe('hello');
  });

  it('lets nobody write through a read-only target, while others write', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    await node.publish('writable');
    await node.publish('read-only', { readonly: true });
    await node.publish('reader', { volume_capability: mountCapability('MULTI_NODE_READER_ONLY') });
    for (const target of ['read-only', 'reader']) {
      expect(() => writeFileSync(join(node.path(target), 'x'), '')).toThrow('EROFS');
    }
    writeFileSync(join(node.path('writable'), 'x'), 'y');
    expect(readFileSync(join(node.path('reader'), 'x'), 'utf8')).toBe('y');
  });

  it('is refused with ALREADY_EXISTS where it is published with the other access', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    await node.publish('target', { readonly: true });
    await node.publish('target', { readonly: true });
    await expect(node.publish('target')).rejects.toMatchObject({ kind: 'already-exists' });
  });

  it('is refused where another volume is mounted, which stays', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    node.stageFileSystem('target');
    const before = mountAt(await readMounts(), node.path('target'));
    await expect(node.publish('target')).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(mountAt(await readMounts(), node.path('target'))).toEqual(before);
  });

  it('is refused on a symbolic link, and nothing is mounted where it leads', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    mkdirSync(node.path('elsewhere'));
    symlinkSync(node.path('elsewhere'), node.path('target'));
    await expect(node.publish('target')).rejects.toThrow('is a symbolic link');
    expect(mountAt(await readMounts(), node.path('elsewhere'))).toBeUndefined();
  });

  it('finds its way through a link in the parent directories, there and back', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    mkdirSync(node.path('pods'));
    symlinkSync(node.path('pods'), node.path('link'));
    await node.publish('link/target');
    await node.publish('link/target');
    expect(mountAt(await readMounts(), node.path('pods/target'))).toBeDefined();
    expect((await node.readStatistics('link/target')).usage).not.toEqual([]);
    await node.unpublish('link/target');
    expect(readdirSync(node.path('pods'))).toEqual([]);
  });

  it('at a second path is for volumes with more than one writer', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    const single = { volume_capability: mountCapability('SINGLE_NODE_SINGLE_WRITER') };
    await node.publish('first', single);
    await node.publish('first', single);
    await expect(node.publish('second', single)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(node.path('first')) as unknown,
    });
    expect(existsSync(node.path('second'))).toBe(false);
    await node.unpublish('first');
    await node.publish('second', single);
  });

  it('to many pods at once succeeds for each', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    const targets = Array.from({ length: 8 }, (_, index) => `target ${String(index)}`);
    await Promise.all(targets.map(target => node.publish(target)));
    const mounts = await readMounts();
    expect(targets.every(target => mountAt(mounts, node.path(target)) !== undefined)).toBe(true);
    await Promise.all(targets.map(target => node.unpublish(target)));
    expect(targets.some(target => existsSync(node.path(target)))).toBe(false);
  });

  it('never deletes what lies below a target path that is not mounted', async () => {
    const node = createNode(lab());
    mkdirSync(node.path('target'));
    writeFileSync(join(node.path('target'), 'precious'), '');
    await expect(node.unpublish('target')).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(existsSync(join(node.path('target'), 'precious'))).toBe(true);
  });
});

describeOnNode('publishing a raw block device', lab => {
  it('shows the device at the target path, a file, until it is unpublished', async () => {
    const node = createNode(lab());
    const { device } = lab().createDevice(8);
    mkdirSync(node.path('staging'));
    await stageBlockDevice({ device, stagingPath: node.path('staging') }, lab().host);
    const wire = { volume_capability: blockCapability('SINGLE_NODE_SINGLE_WRITER') };
    await node.publish('target', wire);
    await node.publish('target', wire);
    expect(statSync(node.path('target')).rdev).toBe(statSync(device).rdev);
    await expect(node.publish('other', wire)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(node.publish('other')).rejects.toThrow('is not staged here as a file system');
    const bytes = { unit: 'BYTES', total: String(8 * MIB), used: '0', available: '0' };
    expect((await node.readStatistics('target', 'staging')).usage).toEqual([bytes]);
    expect((await node.readStatistics('staging')).usage).toEqual([bytes]);
    await node.unpublish('target');
    expect(existsSync(node.path('target'))).toBe(false);
  });

  it('read-only is possible with a mode for which the device is read-only', async () => {
    const node = createNode(lab());
    const { device } = lab().createDevice(8);
    run('blockdev', '--setro', device);
    try {
      await stageBlockDevice({ device, stagingPath: node.path('staging') }, lab().host);
      const wire = { volume_capability: blockCapability('MULTI_NODE_READER_ONLY'), readonly: true };
      await node.publish('target', wire);
      await node.publish('target', wire);
      expect(statSync(node.path('target')).isBlockDevice()).toBe(true);
    } finally {
      // It would outlive the loop device, and be read-only to whoever gets that next.
      run('blockdev', '--setrw', device);
    }
  });
});

describeOnNode('the statistics of a published volume', lab => {
  it('tell bytes and inodes, and that no fault is known', async () => {
    const node = createNode(lab());
    node.stageFileSystem('staging', 'nr_inodes=100');
    await node.publish('target');
    writeFileSync(join(node.path('target'), 'data'), new Uint8Array(MIB));
    const { usage, volume_condition } = await node.readStatistics('target', 'staging');
    expect(usage).toMatchObject([
      { unit: 'BYTES', total: String(8 * MIB) },
      { unit: 'INODES', total: '100', used: '2', available: '98' },
    ]);
    const [bytes] = usage;
    expect(Number(bytes?.used)).toBeGreaterThanOrEqual(MIB);
    expect(Number(bytes?.used) + Number(bytes?.available)).toBe(8 * MIB);
    expect(volume_condition).toEqual({ abnormal: false, message: 'no fault is known' });
    expect(node.finding.asked).toEqual([{ volumeId: 'v', stagingPath: node.path('staging') }]);
  });

  it('tell what the backend finds wrong', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    await node.publish('target');
    node.finding.condition = { abnormal: true, message: 'fenced' };
    expect((await node.readStatistics('target')).volume_condition).toEqual(node.finding.condition);
  });

  it('are not told where another volume is', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    node.stageFileSystem('other');
    await expect(node.readStatistics('other', 'staging')).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describeOnNode('expanding a published volume', lab => {
  it('asks the backend, and answers with the new size', async () => {
    const node = createNode(lab());
    node.stageFileSystem();
    await node.publish('target');
    expect(await node.expand('target')).toEqual({ capacity_bytes: '42' });
    expect(node.finding.asked).toEqual([{ volumeId: 'v', volumePath: node.path('target'), secrets: {} }]);
  });
});
