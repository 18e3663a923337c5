import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { createClusterSource } from '../../../src/config/clusters.ts';
import type { Exec } from '../../../src/exec/command.ts';
import { createExec } from '../../../src/exec/run.ts';
import type { Context } from '../../../src/model/call.ts';
import { encodeVolumeHandle } from '../../../src/model/handle.ts';
import type { NodeBackend, StageRequest, UnstageRequest } from '../../../src/model/node-backend.ts';
import { Secret } from '../../../src/model/secret.ts';
import type { AccessMode, Parameters } from '../../../src/model/volume.ts';
import { createFuseMapper } from '../../../src/rbd/node/mappers/fuse.ts';
import { createRbdNode } from '../../../src/rbd/node/backend.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { clients } from '../harness/clients.ts';
import { cluster, rbd } from '../harness/cluster.ts';
import { listMachineContent } from '../harness/leaks.ts';

const POOL = cluster.pools.replicated;

/** Runs a program of this machine; resolves to what it printed. */
export async function run(program: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(program, args)).stdout;
}

export interface TestVolume {
  readonly image: string;
  readonly volumeId: string;
  readonly stagingPath: string;
  stage(wish?: StageWish): StageRequest;
  readonly unstage: UnstageRequest;
}

export interface StageWish {
  /** `block`: a raw block volume. */
  readonly type?: 'ext4' | 'xfs' | 'btrfs' | 'block';
  readonly mode?: AccessMode;
  readonly mountFlags?: readonly string[];
  readonly context?: Parameters;
}

export const nodeSecrets = {
  userID: new Secret(cluster.users.rbdNode.userId),
  userKey: new Secret(cluster.users.rbdNode.key),
};

export interface StartOptions {
  readonly exec?: Exec;
  /** Another machine, as far as one can be played here. */
  readonly other?: boolean;
}

export interface TestNode {
  readonly directory: string;
  /** A node that has just been started. */
  readonly start: (options?: StartOptions) => NodeBackend;
  /** A new image with the driver's default features. */
  createVolume(size: string, features?: string): Promise<TestVolume>;
  volumeOf(image: string): TestVolume;
  /** Resolves when the image is open nowhere. */
  waitUntilClosed(image: string): Promise<void>;
}

/** Where another machine stages a volume. */
export function otherPath(stagingPath: string): string {
  return `${stagingPath}-other`;
}

/** The addresses of those who have the image open. */
export async function listWatchers(image: string): Promise<readonly string[]> {
  const status = JSON.parse(await rbd('status', `${POOL}/${image}`, '--format', 'json')) as {
    watchers: readonly { address: string }[];
  };
  return status.watchers.map(({ address }) => address);
}

export async function countWatchers(image: string): Promise<number> {
  return (await listWatchers(image)).length;
}

export const context = (signal?: AbortSignal): Context =>
  createTestContext(signal === undefined ? {} : { signal });

const FEATURES = 'layering,exclusive-lock,object-map,fast-diff,deep-flatten';

/** A node for the tests of a file, and images that go when they are over; nothing of it may be left on the machine. */
export function useNode(): TestNode {
  let directory = '';
  const images: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'csi-rbd-node-'));
  });

  async function waitUntilClosed(image: string): Promise<void> {
    for (let look = 0; look < 120; look += 1) {
      if ((await countWatchers(image)) === 0) return;
      await sleep(500);
    }
    throw new Error(`${image} is still open somewhere after 60 s`);
  }

  /** After a failed test; others leave nothing to take away. */
  async function takeAway(volume: TestVolume): Promise<void> {
    for (const other of [false, true]) {
      const { volumeId, stagingPath } = volume;
      const path = other ? otherPath(stagingPath) : stagingPath;
      await start({ other }).unstageVolume({ volumeId, stagingPath: path }, context());
    }
  }

  afterAll(async () => {
    const left = await listMachineContent(directory);
    const notes = await readdir(join(directory, 'state/volumes')).catch(() => []);
    for (const image of images) {
      if (left.length > 0 || notes.length > 0) await takeAway(volumeOf(image));
      await waitUntilClosed(image);
      await rbd('rm', '--no-progress', `${POOL}/${image}`);
    }
    expect({ left, notes }).toEqual({ left: [], notes: [] });
    await rm(directory, { recursive: true });
  });

  function start({ exec = createExec(), other = false }: StartOptions = {}): NodeBackend {
    const stateDir = join(directory, other ? 'other' : 'state');
    // Two nodes that share a kernel would see each other's devices: the other one has a client of its own.
    const userspace = { ...createFuseMapper({ directory: join(stateDir, 'fuse') }), name: clients.mapper };
    return createRbdNode({
      exec,
      clusters: createClusterSource(cluster.clustersFile),
      mapper: 'auto',
      stateDir,
      ...(other ? { mappers: [userspace] } : {}),
    });
  }

  function volumeOf(image: string): TestVolume {
    const volumeId = encodeVolumeHandle({
      backend: 'rbd',
      clusterId: cluster.clusterId,
      pool: POOL,
      image,
    });
    const stagingPath = join(directory, 'staging', image);
    return {
      image,
      volumeId,
      stagingPath,
      unstage: { volumeId, stagingPath },
      stage: ({
        type = 'ext4',
        mode = 'single-node-writer',
        mountFlags = [],
        context: parameters = {},
      } = {}) => ({
        volumeId,
        stagingPath,
        capability: {
          access: type === 'block' ? { type } : { type: 'mount', fsType: type, mountFlags },
          mode,
        },
        context: { mounter: clients.mapper, ...parameters },
        publishContext: {},
        secrets: nodeSecrets,
      }),
    };
  }

  return {
    get directory() {
      return directory;
    },
    start,
    async createVolume(size, features = FEATURES) {
      // Guests that run side by side have the same process IDs.
      const image = `node-test-${images.length}-${randomBytes(4).toString('hex')}`;
      images.push(image);
      await rbd('create', `${POOL}/${image}`, '--size', size, '--image-feature', features);
      const volume = volumeOf(image);
      await mkdir(volume.stagingPath, { recursive: true });
      return volume;
    },
    volumeOf,
    waitUntilClosed,
  };
}
