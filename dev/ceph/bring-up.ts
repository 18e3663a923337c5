import { randomInt, randomUUID } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimAddress } from './address.ts';
import { clusterDirectory, type Cluster, type User } from './cluster.ts';
import { formatConfiguration } from './configuration.ts';
import { startDaemon } from './daemon.ts';
import { releaseLink, runAsAdmin, runInRelease } from './program.ts';
import { ensureRelease, type Installation, type Release } from './release.ts';
import { takeDown } from './take-down.ts';
import {
  CSI_USERS,
  ENTITY_CAPABILITIES,
  FILE_SYSTEM,
  formatKeyring,
  POOLS,
  type KeyringEntry,
} from './users.ts';

/** Three, since an erasure-coded pool of 2 + 1 needs as many. */
const OSD_IDS = [0, 1, 2] as const;
const DAEMONS = ['mon.a', 'mgr.x', ...OSD_IDS.map(id => `osd.${id}`), 'mds.m'];

/** Milliseconds that a cluster may take to answer, on a machine that is busy with other things. */
const PATIENCE = 180_000;

export interface BringUpOptions {
  /**
   * The IPv4 address where the daemons listen, for clients that do not reach this machine's loopback address: a
   * kernel guest, a Kubernetes node. One that the machine does not have is put on its loopback interface for as
   * long as the cluster is up.
   */
  readonly address?: string;
  /** Which Ceph the daemons and clients are of, unpacked into the cache; absent: the one that is installed here. */
  readonly release?: Release;
}

/** Tells what is being done. */
export type Report = (step: string) => void;

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

/**
 * Two neighbouring ports for the monitor, below those that the kernel gives to outgoing connections. By chance, so
 * that clusters that come up at the same time do not take the same.
 */
async function choosePorts(address: string): Promise<{ readonly v2: number; readonly v1: number }> {
  for (;;) {
    const v2 = 10_000 + 2 * randomInt(10_000);
    if ((await isFree(address, v2)) && (await isFree(address, v2 + 1))) return { v2, v1: v2 + 1 };
  }
}

/** Repeats a command until it succeeds; Ceph answers with errors while a service is not there yet. */
async function waitFor(what: string, attempt: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE;
  let last: unknown;
  while (Date.now() < end) {
    try {
      if (await attempt()) return;
    } catch (error) {
      last = error;
    }
    await sleep(300);
  }
  throw new Error(`${what} within ${PATIENCE / 1000} s`, { cause: last });
}

/** New keys, of the kind that the release gives to new users. */
async function createKeys(directory: string, count: number): Promise<readonly string[]> {
  const run = () => runInRelease({ directory }, 'ceph-authtool', ['--gen-print-key']);
  const keys = await Promise.all(Array.from({ length: count }, run));
  return keys.map(key => key.trim());
}

interface Keyring {
  readonly users: Cluster['users'];
  readonly entries: readonly KeyringEntry[];
}

/** The keys of all daemons and users: the monitor takes them over when it makes its store. */
async function createKeyring(directory: string): Promise<Keyring> {
  const daemonNames = DAEMONS.filter(daemon => daemon !== 'mon.a');
  const count = Object.keys(CSI_USERS).length + 2 + daemonNames.length;
  const keys = (await createKeys(directory, count)).values();
  const nextKey = () => keys.next().value ?? '';
  const createUser = (userId: string): User => ({ userId, key: nextKey() });
  const users = {
    rbdProvisioner: createUser(CSI_USERS.rbdProvisioner.userId),
    rbdNode: createUser(CSI_USERS.rbdNode.userId),
    cephfsProvisioner: createUser(CSI_USERS.cephfsProvisioner.userId),
    cephfsNode: createUser(CSI_USERS.cephfsNode.userId),
    driver: createUser(CSI_USERS.driver.userId),
  };
  const own = (['mon.', 'client.admin'] as const).map(entity => ({
    entity,
    key: nextKey(),
    capabilities: ENTITY_CAPABILITIES[entity],
  }));
  const daemons = daemonNames.map(daemon => {
    const type = daemon.split('.')[0] as 'mgr' | 'osd' | 'mds';
    return { entity: daemon, key: nextKey(), capabilities: ENTITY_CAPABILITIES[type] };
  });
  const clients = (Object.keys(users) as (keyof typeof users)[]).map(name => ({
    entity: `client.${users[name].userId}`,
    key: users[name].key,
    capabilities: CSI_USERS[name].capabilities,
  }));
  return { users, entries: [...own, ...daemons, ...clients] };
}

/** What the driver is given: the clusters file, and its own user. */
async function writeDriverFiles(cluster: Cluster): Promise<void> {
  const { clusterId, monitors, users } = cluster;
  await writeFile(cluster.clustersFile, JSON.stringify([{ clusterID: clusterId, monitors }], undefined, 2));
  const own = join(cluster.credentialsDirectory, clusterId);
  await mkdir(own, { recursive: true, mode: 0o700 });
  await writeFile(join(own, 'userID'), users.driver.userId, { mode: 0o600 });
  await writeFile(join(own, 'userKey'), users.driver.key, { mode: 0o600 });
}

async function prepareDirectory(
  name: string,
  address: string,
  installation: Installation | undefined,
): Promise<{ cluster: Cluster; monitor: string }> {
  const directory = clusterDirectory(name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await claimAddress(directory, address);
  if (installation !== undefined) await symlink(installation.directory, releaseLink(directory));
  const { v2, v1 } = await choosePorts(address);
  const monitor = `[v2:${address}:${v2},v1:${address}:${v1}]`;
  const { users, entries } = await createKeyring(directory);
  const cluster: Cluster = {
    name,
    directory,
    clusterId: randomUUID(),
    monitors: [monitor],
    conf: join(directory, 'ceph.conf'),
    clustersFile: join(directory, 'clusters.json'),
    credentialsDirectory: join(directory, 'credentials'),
    pools: POOLS,
    fsName: FILE_SYSTEM,
    users,
    daemons: DAEMONS,
  };
  const folders = ['run', 'log', ...DAEMONS];
  await Promise.all(folders.map(folder => mkdir(join(directory, folder), { recursive: true, mode: 0o700 })));
  await writeFile(join(directory, 'keyring'), formatKeyring(entries), { mode: 0o600 });
  await writeFile(
    cluster.conf,
    formatConfiguration({
      directory,
      fsid: cluster.clusterId,
      address,
      monitor,
      ...(installation === undefined ? {} : { installation }),
    }),
  );
  await writeDriverFiles(cluster);
  return { cluster, monitor };
}

async function startMonitor(cluster: Cluster, monitor: string): Promise<void> {
  const { directory, conf, clusterId } = cluster;
  const map = join(directory, 'monmap');
  await runInRelease(cluster, 'monmaptool', ['--create', '--fsid', clusterId, '--addv', 'a', monitor, map]);
  const keyring = join(directory, 'keyring');
  const args = ['--conf', conf, '-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring];
  await runInRelease(cluster, 'ceph-mon', args);
  await startDaemon(directory, 'mon.a');
  await runAsAdmin(cluster, 'ceph', ['status']);
}

async function startOsd(cluster: Cluster, id: number): Promise<void> {
  const uuid = randomUUID();
  await runAsAdmin(cluster, 'ceph', ['osd', 'new', uuid, String(id)]);
  await runAsAdmin(cluster, 'ceph-osd', ['-i', String(id), '--mkfs', '--osd-uuid', uuid]);
  await startDaemon(cluster.directory, `osd.${id}`);
}

async function createRbdPools(cluster: Cluster): Promise<void> {
  const ceph = (...args: string[]) => runAsAdmin(cluster, 'ceph', args);
  const { replicated, erasureCoded } = cluster.pools;
  await Promise.all([
    ceph('osd', 'pool', 'create', replicated).then(() =>
      runAsAdmin(cluster, 'rbd', ['pool', 'init', replicated]),
    ),
    ceph('osd', 'erasure-code-profile', 'set', 'lab', 'k=2', 'm=1', 'crush-failure-domain=osd')
      .then(() => ceph('osd', 'pool', 'create', erasureCoded, '8', '8', 'erasure', 'lab'))
      .then(() => ceph('osd', 'pool', 'set', erasureCoded, 'allow_ec_overwrites', 'true'))
      .then(() => ceph('osd', 'pool', 'application', 'enable', erasureCoded, 'rbd')),
  ]);
}

async function createFileSystem(cluster: Cluster): Promise<void> {
  const ceph = (...args: string[]) => runAsAdmin(cluster, 'ceph', args);
  const { fsName } = cluster;
  await startDaemon(cluster.directory, 'mds.m');
  const [metadata, data] = [`${fsName}.meta`, `${fsName}.data`];
  await Promise.all([ceph('osd', 'pool', 'create', metadata), ceph('osd', 'pool', 'create', data)]);
  await ceph('fs', 'new', fsName, metadata, data);
}

async function waitUntilReady(cluster: Cluster): Promise<void> {
  const { fsName } = cluster;
  await Promise.all([
    waitFor('no metadata server became active', async () =>
      (await runAsAdmin(cluster, 'ceph', ['mds', 'stat'])).includes(`${fsName}:1 {0=m=up:active}`),
    ),
    waitFor('the manager did not answer', async () => {
      await runAsAdmin(cluster, 'ceph', ['fs', 'subvolumegroup', 'ls', fsName], { timeout: 20_000 });
      return true;
    }),
    waitFor('not all placement groups became active', async () => {
      const status = await runAsAdmin(cluster, 'ceph', ['pg', 'stat', '--format', 'json']);
      const { pg_summary: summary } = JSON.parse(status) as {
        pg_summary: { num_pg_by_state: { name: string }[] };
      };
      return summary.num_pg_by_state.every(({ name }) => name === 'active+clean');
    }),
  ]);
}

/**
 * Brings a cluster up: a monitor, a manager, three OSDs on files, a metadata server, pools, a file system, and the
 * users of docs/users.md. One of that name that is there already is thrown away first. Ends within half a minute
 * on a machine that is not busy; one that did not come up is taken down again.
 */
export async function bringUp(
  name: string,
  report: Report = () => undefined,
  options: BringUpOptions = {},
): Promise<Cluster> {
  await takeDown(name);
  const { release, address = '127.0.0.1' } = options;
  const installation = release === undefined ? undefined : await ensureRelease(release, report);
  try {
    const { cluster, monitor } = await prepareDirectory(name, address, installation);
    report('monitor');
    await startMonitor(cluster, monitor);
    report('manager and OSDs');
    await startDaemon(cluster.directory, 'mgr.x');
    await Promise.all(OSD_IDS.map(id => startOsd(cluster, id)));
    report('pools and file system');
    await Promise.all([createRbdPools(cluster), createFileSystem(cluster)]);
    report('waiting until all is ready');
    await waitUntilReady(cluster);
    await writeFile(join(cluster.directory, 'lab.json'), JSON.stringify(cluster, undefined, 2), {
      mode: 0o600,
    });
    return cluster;
  } catch (error) {
    await takeDown(name);
    throw error;
  }
}
