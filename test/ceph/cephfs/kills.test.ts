import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createProcessRunner,
  createSessionRunner,
  type CommandRunner,
} from '../../../src/ceph/ceph-command.ts';
import { createSessionServers, type SessionServers } from '../../../src/ceph/session-servers.ts';
import { createCephfsController } from '../../../src/cephfs/controller.ts';
import { createClusterSource } from '../../../src/config/clusters.ts';
import type { Exec } from '../../../src/exec/command.ts';
import { startLineServer, type LineServer, type StartLineServer } from '../../../src/exec/line-server.ts';
import { createExec } from '../../../src/exec/run.ts';
import { MIB } from '../../../src/model/bytes.ts';
import { Secret } from '../../../src/model/secret.ts';
import type { Snapshot, Volume, VolumeSource, VolumeSpec } from '../../../src/model/volume.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { createCall, createChance, createKillingExec, eventually, runsKills } from '../controller/fixture.ts';
import { cluster, listSubvolumes, values } from '../harness/cluster.ts';
import { listSnapshotIndex } from '../harness/leaks.ts';

const secrets = {
  adminID: new Secret(values.cephfs.secrets['adminID'] ?? ''),
  adminKey: new Secret(values.cephfs.secrets['adminKey'] ?? ''),
};

interface Parts {
  readonly exec: Exec;
  readonly servers?: SessionServers;
  readonly runCommands: CommandRunner;
}

/** A controller as a driver that has just started has it. */
function createController(parts: Parts) {
  const controller = createCephfsController({
    ...parts,
    clusters: createClusterSource(cluster.clustersFile),
    log: createTestContext().log,
  });
  return {
    create(name: string, wish: Partial<VolumeSpec> = {}): Promise<Volume> {
      const spec: VolumeSpec = {
        name,
        capacity: { requiredBytes: 64n * MIB },
        capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'multi-node-reader-only' }],
        parameters: values.cephfs.parameters,
        mutableParameters: {},
        secrets,
        ...wish,
      };
      return controller.createVolume(spec, createCall());
    },
    remove: ({ volumeId }: Volume) => controller.deleteVolume({ volumeId, secrets }, createCall()),
    async snapshot(name: string, { volumeId }: Volume): Promise<Snapshot> {
      const spec = { name, sourceVolumeId: volumeId, parameters: {}, secrets };
      const snapshot = await controller.createSnapshot?.(spec, createCall());
      if (snapshot === undefined) throw new Error('the controller makes no snapshots');
      return snapshot;
    },
    async removeSnapshot({ snapshotId }: Snapshot): Promise<void> {
      await controller.deleteSnapshot?.({ snapshotId, secrets }, createCall());
    },
  };
}
type Controller = ReturnType<typeof createController>;

/** Connections that stay open, and are killed at a moment of `chance`, after they once were there. */
function createKillingStart(chance: () => number): StartLineServer {
  return command => {
    let isReady = false;
    const server: LineServer = startLineServer({
      ...command,
      onLine: line => {
        isReady = true;
        command.onLine(line);
      },
    });
    return {
      ...server,
      send(line) {
        server.send(line);
        if (isReady && chance() < 0.3) setTimeout(() => server.kill(), chance() * 100);
      },
    };
  };
}

const exec = createExec();

/** One that works over connections that stay open. */
function createConnected(programs: Exec, start: StartLineServer): Controller {
  const servers = createSessionServers(start);
  return createController({ exec: programs, servers, runCommands: createSessionRunner(servers, exec) });
}

const sound = createConnected(exec, startLineServer);

function createShaky(what: 'programs' | 'connections', chance: () => number): Controller {
  const killing = createKillingExec(chance);
  if (what === 'programs') {
    return createController({ exec: killing, runCommands: createProcessRunner(killing) });
  }
  return createConnected(killing, createKillingStart(chance));
}

/** Has the shaky one try, whatever comes of it, and then the sound one until it is done. */
async function insist<T>(shaky: Controller, work: (controller: Controller) => Promise<T>): Promise<T> {
  await work(shaky).catch(() => undefined);
  return await eventually(() => work(sound));
}

/** What a volume is made of, by its number. */
function wishOf(index: number, source: Volume, snapshot: Snapshot): Partial<VolumeSpec> {
  const ofSnapshot: VolumeSource = { type: 'snapshot', snapshotId: snapshot.snapshotId };
  if (index % 3 === 0) return { source: ofSnapshot };
  if (index % 3 === 1) return { source: { type: 'volume', volumeId: source.volumeId } };
  return { source: ofSnapshot, parameters: { ...values.cephfs.parameters, backingSnapshot: 'true' } };
}

/** The life of a volume with a snapshot, and of another one made of these. */
async function live(index: number, prefix: string, shaky: Controller): Promise<void> {
  const name = `${prefix}-${index}`;
  const source = await insist(shaky, controller => controller.create(name));
  const snapshot = await insist(shaky, controller => controller.snapshot(name, source));
  expect((await listSubvolumes()).filter(subvolume => subvolume.endsWith(name))).toEqual([`csi-vol-${name}`]);

  const wish = wishOf(index, source, snapshot);
  const made = await insist(shaky, controller => controller.create(`made-${name}`, wish));
  expect(await sound.create(`made-${name}`, wish)).toEqual(made);

  // The volume first, or the snapshot: what is made of them stays.
  await insist(shaky, controller => controller.remove(index % 2 === 0 ? source : made));
  if (index % 2 === 0) await insist(shaky, controller => controller.remove(made));
  await insist(shaky, controller => controller.removeSnapshot(snapshot));
  await insist(shaky, controller => controller.remove(source));
}

const listAll = async () => [...(await listSubvolumes()), ...(await listSnapshotIndex())];

let before: readonly string[] = [];
beforeAll(async () => {
  // Of a first volume, so that the group is there.
  await sound.remove(await sound.create('first'));
  before = await listAll();
});
afterAll(async () => {
  // A listing shows what is deleted for a moment more.
  await eventually(async () => {
    expect((await listAll()).filter(item => !before.includes(item))).toEqual([]);
  });
});

it.runIf(runsKills).each([
  ['programs', 1_000],
  ['connections', 2_000],
] as const)(
  'volumes, snapshots, copies and views come right whatever %s are killed, and leave nothing',
  { timeout: 900_000 },
  async (what, seed) => {
    const numbers = Array.from({ length: 9 }, (_, index) => index).values();
    const work = async () => {
      for (const index of numbers) {
        await live(index, what, createShaky(what, createChance(seed + index)));
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
  },
);
