import { expect } from 'vitest';
import type { ClusterCommand, CommandRunner } from '../../src/ceph/ceph-command.ts';
import { parseClusters } from '../../src/config/clusters.ts';
import type { Exec } from '../../src/exec/command.ts';
import { MIB } from '../../src/model/bytes.ts';
import { Secret } from '../../src/model/secret.ts';
import type { VolumeSpec } from '../../src/model/volume.ts';
import { createCephfsController } from '../../src/cephfs/controller.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';

/** A command that is expected, with what the cluster answers: JSON, or an errno with its text. */
export interface ScriptedCommand {
  readonly prefix: string;
  readonly args: ClusterCommand['args'];
  readonly answer?: unknown;
  readonly errno?: number;
  /** Of `fs quiesce`: the state in which its answer shows the set, whatever that is called. */
  readonly quiesceState?: string;
  readonly reason?: string;
}

const list = parseClusters(JSON.stringify([{ clusterID: 'c', monitors: ['mon:6789'] }]));
export const clusters = {
  list: () => list,
  find(clusterId: string) {
    const found = list.find(cluster => cluster.clusterId === clusterId);
    if (found === undefined) throw new Error(`unexpected cluster ${clusterId}`);
    return found;
  },
};

function formatAnswer(command: ScriptedCommand | undefined, args: ClusterCommand['args']): string {
  const { answer, quiesceState } = command ?? {};
  if (quiesceState === undefined) return answer === undefined ? '' : JSON.stringify(answer);
  return JSON.stringify({ sets: { [String(args['set_id'])]: { state: { name: quiesceState, age: 0 } } } });
}

/** Plays a script of commands; another one than the next fails the test. */
function createFakeRunner(script: readonly ScriptedCommand[]) {
  const remaining = [...script];
  const run: CommandRunner = (_connection, { prefix, args }) => {
    const next = remaining.shift();
    const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== false));
    expect({ prefix, args: given }, 'the next command').toEqual(
      next === undefined ? 'none' : { prefix: next.prefix, args: next.args },
    );
    return Promise.resolve({
      exitCode: next?.errno ?? 0,
      stdout: formatAnswer(next, args),
      stderr: next?.reason ?? '',
    });
  };
  return { run, remaining };
}

/** A controller whose cluster plays a script; `end` fails when not all of it was played. */
export function createScriptedController(
  script: readonly ScriptedCommand[],
  programs: readonly ScriptedCall[] = [],
) {
  const runner = createFakeRunner(script);
  const fake = createFakeExec(programs);
  const exec: Exec = fake.exec;
  const context = createTestContext();
  const controller = createCephfsController({
    exec,
    clusters,
    log: context.log,
    runCommands: runner.run,
    ownCredentials: () => ({ userId: 'own', key: new Secret('own key') }),
  });
  return {
    controller,
    context,
    end: () => {
      expect(runner.remaining, 'commands that were expected and not run').toEqual([]);
      fake.expectAllUsed();
    },
  };
}

export const secrets = { adminID: new Secret('admin'), adminKey: new Secret('key') };

export function specOf(wish: Partial<VolumeSpec> = {}): VolumeSpec {
  return {
    name: 'pvc-1',
    capacity: { requiredBytes: 100n * MIB },
    capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'multi-node-multi-writer' }],
    parameters: { clusterID: 'c', fsName: 'fs' },
    mutableParameters: {},
    secrets,
    ...wish,
  };
}

/** Where volumes of these classes are. */
export const home = { backend: 'cephfs', clusterId: 'c', fsName: 'fs', group: 'csi' } as const;

/** The arguments by which the subvolume of a name is found. */
export function at(subvolume: string, group = 'csi') {
  return { vol_name: 'fs', sub_name: subvolume, group_name: group };
}

/** What `fs subvolume info` answers for a subvolume that is there (16.2). */
export function infoOf(subvolume: string, wish: Record<string, unknown> = {}) {
  return {
    bytes_quota: Number(100n * MIB),
    bytes_used: 0,
    data_pool: 'data',
    path: `/volumes/csi/${subvolume}/0b7e`,
    state: 'complete',
    type: 'subvolume',
    ...wish,
  };
}

/** What `fs subvolume snapshot info` answers for a snapshot that is there (16.2). */
export const snapshotInfo = { created_at: '2026-11-24 15:38:47.642400', has_pending_clones: 'no' };

/** The file systems of the cluster, which tell the pool of the index. */
export const fileSystems = {
  prefix: 'fs ls',
  args: {},
  answer: [{ name: 'fs', metadata_pool: 'meta', data_pools: ['data'] }],
};

/** A command on the index of snapshot names. */
export function onIndex(command: string, ...args: readonly string[]): readonly string[] {
  return ['rados', '--pool', 'meta', '--namespace', 'csi-driver-ceph', command, 'snapshots', ...args];
}

export const ENOENT = 2;
export const EAGAIN = 11;
export const EEXIST = 17;
export const EINVAL = 22;
export const ENOTEMPTY = 39;

export const missing = (subvolume: string) => ({
  errno: ENOENT,
  reason: `subvolume '${subvolume}' does not exist`,
});
export const missingGroup = { errno: ENOENT, reason: "subvolume group 'csi' does not exist" };
export const notReady = (subvolume: string) => ({
  errno: EAGAIN,
  reason: `subvolume '${subvolume}' is not ready for operation info`,
});
