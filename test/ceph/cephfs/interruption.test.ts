import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCephfsNode } from '../../../src/cephfs/node.ts';
import { createClusterSource } from '../../../src/config/clusters.ts';
import type { Exec } from '../../../src/exec/command.ts';
import { createExec } from '../../../src/exec/run.ts';
import type { NodeBackend, StageRequest } from '../../../src/model/node-backend.ts';
import { Secret } from '../../../src/model/secret.ts';
import { mountsBelow, readMounts } from '../../../src/mount/mountinfo.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { ceph, cluster, values } from '../harness/cluster.ts';
import { clients } from '../harness/clients.ts';
import { listMachineContent } from '../harness/leaks.ts';
import { killAfterEachProgram } from '../harness/mortal-driver.ts';

const GROUP = 'csi';
const SUBVOLUME = `interrupted-${process.pid}`;
const SNAPSHOT = 'taken';

let directory = '';
/** Of the volume itself, and of a view of its snapshot. */
let requests: Readonly<Record<'volume' | 'view', StageRequest>> | undefined;

function requestOf(context: Record<string, string>, mode: StageRequest['capability']['mode']): StageRequest {
  return {
    volumeId: ['cephfs1', cluster.clusterId, cluster.fsName, GROUP, SUBVOLUME].join('/'),
    stagingPath: join(directory, 'staging'),
    capability: { access: { type: 'mount', mountFlags: [] }, mode },
    context,
    publishContext: {},
    secrets: {
      userID: new Secret(values.cephfs.nodeSecrets['userID'] ?? ''),
      userKey: new Secret(values.cephfs.nodeSecrets['userKey'] ?? ''),
    },
  };
}

function start({ exec }: { readonly exec: Exec }): NodeBackend {
  const clusters = createClusterSource(cluster.clustersFile);
  return createCephfsNode({ exec, clusters, mounter: clients.mounter });
}

const context = () => createTestContext();
const sound = () => start({ exec: createExec() });
const inGroup = ['--group_name', GROUP];

async function countMounts(): Promise<number> {
  return mountsBelow(await readMounts(), directory).length;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'csi-cephfs-node-'));
  await mkdir(join(directory, 'staging'));
  const { fsName } = cluster;
  await ceph('fs', 'subvolumegroup', 'create', fsName, GROUP);
  await ceph('fs', 'subvolume', 'create', fsName, SUBVOLUME, ...inGroup, '--size', '67108864');
  const path = (await ceph('fs', 'subvolume', 'getpath', fsName, SUBVOLUME, ...inGroup)).trim();
  const base = path.slice(0, path.lastIndexOf('/'));
  requests = {
    volume: requestOf({ subvolumePath: path }, 'multi-node-multi-writer'),
    view: requestOf({ subvolumePath: base, snapshot: SNAPSHOT }, 'multi-node-reader-only'),
  };
  await sound().stageVolume(requests.volume, context());
  await writeFile(join(directory, 'staging/file'), 'kept');
  await sound().unstageVolume(requests.volume, context());
  await ceph('fs', 'subvolume', 'snapshot', 'create', fsName, SUBVOLUME, SNAPSHOT, ...inGroup);
});

afterAll(async () => {
  // ceph-fuse ends some time after its mount has gone.
  const end = Date.now() + 120_000;
  let left = await listMachineContent(directory);
  while (left.length > 0 && Date.now() < end) {
    await sleep(500);
    left = await listMachineContent(directory);
  }
  if (requests !== undefined) await sound().unstageVolume(requests.volume, context());
  const { fsName } = cluster;
  await ceph('fs', 'subvolume', 'snapshot', 'rm', fsName, SUBVOLUME, SNAPSHOT, ...inGroup);
  await ceph('fs', 'subvolume', 'rm', fsName, SUBVOLUME, ...inGroup);
  await rm(directory, { recursive: true });
  expect(left).toEqual([]);
});

it.each([
  ['volume', 1],
  ['view', 3],
] as const)(
  'a driver that is killed after any program of staging a %s leaves what the next one completes or cleans',
  { timeout: 600_000 },
  async (kind, least) => {
    const request = requests?.[kind];
    if (request === undefined) throw new Error('there is no volume');
    const stage = async (backend: NodeBackend) => await backend.stageVolume(request, context());
    const unstage = async (backend: NodeBackend) => await backend.unstageVolume(request, context());
    const expectNothing = async () => expect(await countMounts()).toBe(0);

    for (const isCompleted of [true, false]) {
      const programs = await killAfterEachProgram(start, stage, async () => {
        if (isCompleted) {
          await stage(sound());
          expect(await countMounts()).toBe(kind === 'view' ? 2 : 1);
          expect(await readFile(join(request.stagingPath, 'file'), 'utf8')).toBe('kept');
        }
        await unstage(sound());
        await expectNothing();
      });
      expect(programs).toBeGreaterThanOrEqual(least);
      await unstage(sound());
    }

    await stage(sound());
    const programs = await killAfterEachProgram(start, unstage, async () => {
      await unstage(sound());
      await expectNothing();
      await stage(sound());
    });
    expect(programs).toBeGreaterThanOrEqual(kind === 'view' ? 2 : 1);
    await expectNothing();
  },
);
