import { afterAll, beforeAll, expect } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClusterSource } from '../../../src/config/clusters.ts';
import { createCredentialSource } from '../../../src/config/credentials.ts';
import { createSessionServers, type SessionServers } from '../../../src/ceph/session-servers.ts';
import type { Command, Exec } from '../../../src/exec/command.ts';
import { startLineServer } from '../../../src/exec/line-server.ts';
import { createExec } from '../../../src/exec/run.ts';
import { MIB } from '../../../src/model/bytes.ts';
import type { Context } from '../../../src/model/call.ts';
import { DriverError } from '../../../src/model/errors.ts';
import { Secret } from '../../../src/model/secret.ts';
import type { Snapshot, Volume, VolumeSource, VolumeSpec } from '../../../src/model/volume.ts';
import { createRbdController, type RbdController } from '../../../src/rbd/controller.ts';
import type { RbdLimits } from '../../../src/rbd/limits.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { cluster, values } from '../harness/cluster.ts';
import { listClusterContent } from '../harness/leaks.ts';

/**
 * Milliseconds within which all must have come right again. Ceph takes 30 s to miss a client that was killed, and those
 * that wait for the same image may be killed in turn.
 */
export const SETTLE_BOUND = 300_000;

/**
 * Whether programs are killed at random in this run. What such a kill can leave is many things, each seldom; what is
 * known of them has a test of its own in volumes.test.ts and flattening.test.ts.
 */
export const runsKills = process.env['CSI_TEST_KILLS'] !== undefined;

/** Bytes of a volume where a test does not care. */
export const SIZE = 64n * MIB;

export const secrets = {
  userID: new Secret(values.rbd.secrets['userID'] ?? ''),
  userKey: new Secret(values.rbd.secrets['userKey'] ?? ''),
};

/** A call that may take as long as a busy machine needs. */
export function createCall(milliseconds = SETTLE_BOUND): Context {
  return createTestContext({ signal: AbortSignal.timeout(milliseconds) });
}

export function specOf(name: string, wish: Partial<VolumeSpec> = {}): VolumeSpec {
  return {
    name,
    capacity: { requiredBytes: SIZE },
    capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'single-node-writer' }],
    parameters: values.rbd.parameters,
    mutableParameters: {},
    secrets,
    ...wish,
  };
}

export interface TestController extends RbdController {
  create(name: string, source?: VolumeSource): Promise<Volume>;
  remove(volume: Volume): Promise<void>;
  snapshot(name: string, source: Volume): Promise<Snapshot>;
  removeSnapshot(snapshot: Snapshot): Promise<void>;
}

const lastingServers = createSessionServers(startLineServer, { isRequired: true });

/**
 * A controller as a driver that has just started has it; what it prints goes nowhere. It works over connections that
 * stay open, unless CEPH_TRANSPORT=process is in the environment, or it is given what runs programs.
 */
export function createController(
  exec?: Exec,
  limits: Partial<RbdLimits> = {},
  servers: SessionServers = lastingServers,
): TestController {
  const byProcess = exec !== undefined || process.env['CEPH_TRANSPORT'] === 'process';
  const controller = createRbdController({
    exec: exec ?? createExec(),
    ...(byProcess ? {} : { servers }),
    limits,
    clusters: createClusterSource(cluster.clustersFile),
    log: createTestContext().log,
    ownCredentials: createCredentialSource(cluster.credentialsDirectory),
  });
  return {
    ...controller,
    create(name, source) {
      const wish = source === undefined ? {} : { source };
      return controller.createVolume(specOf(name, wish), createCall());
    },
    remove: ({ volumeId }) => controller.deleteVolume({ volumeId, secrets }, createCall()),
    async snapshot(name, { volumeId }) {
      const spec = { name, sourceVolumeId: volumeId, parameters: {}, secrets };
      const snapshot = await controller.createSnapshot?.(spec, createCall());
      if (snapshot === undefined) throw new Error('the controller makes no snapshots');
      return snapshot;
    },
    async removeSnapshot({ snapshotId }) {
      await controller.deleteSnapshot?.({ snapshotId, secrets }, createCall());
    },
  };
}

/** A controller for the tests of a file, after which the pools have to be as they were. */
export function useController(): TestController {
  const controller = createController();
  let before: readonly string[] = [];
  beforeAll(async () => {
    before = await listClusterContent();
  });
  afterAll(async () => {
    await eventually(async () => {
      const left = (await listClusterContent()).filter(item => !before.includes(item));
      expect(left).toEqual([]);
    });
    await controller.drain();
  }, 2 * SETTLE_BOUND);
  return controller;
}

/** Repeats an attempt until it succeeds, as the sidecars of Kubernetes do. @throws its last error */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + SETTLE_BOUND;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}

/**
 * Runs programs, and kills some of them (SIGKILL) at a moment of `chance`: numbers from 0 to 1 that say whether, and
 * when.
 */
export function createKillingExec(chance: () => number): Exec {
  const exec = createExec();
  return async (command: Command, context) => {
    if (chance() < 0.5) return exec(command, context);
    const seconds = (chance() * 0.3).toFixed(3);
    const args = ['--foreground', '--signal', 'KILL', seconds, command.program, ...command.args];
    const result = await exec({ ...command, program: 'timeout', args }, context);
    if (result.exitCode !== 137) return result;
    throw new DriverError('internal', `${command.program} was ended by SIGKILL`);
  };
}

/** Milliseconds from the start of a connection's program to the end of a quick call. */
const LIFE = 1_500;

/** Connections whose programs are killed (SIGKILL) at a moment of `chance`. */
export function createDyingServers(chance: () => number): SessionServers {
  return createSessionServers(command => {
    const server = startLineServer(command);
    setTimeout(() => server.kill(), chance() * LIFE);
    return server;
  });
}

/** A sequence of numbers from 0 to 1 that is the same for the same seed (mulberry32). */
export function createChance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
