import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { isRunning, signalDaemon, startDaemon, stopDaemon } from '../../../dev/ceph/daemon.ts';
import { programPath, runAsAdmin } from '../../../dev/ceph/program.ts';
import { createRequestValues } from '../../../dev/driver/requests.ts';

/** The cluster of this run. */
export const cluster = inject('cluster');

// All that a test starts, the driver and its programs too, is of the cluster's release.
process.env['PATH'] = programPath(cluster.directory);

/** Parameters and secrets of requests to a driver of this cluster. */
export const values = createRequestValues(cluster);

/** Milliseconds for the OSDs to be back after a restart. */
const RESTART_BOUND = 120_000;

const osds = cluster.daemons.filter(daemon => daemon.startsWith('osd.'));

/** Each runs a program as administrator, resolves to what it printed, and rejects when it fails. */
export const ceph = (...args: string[]): Promise<string> => runAsAdmin(cluster, 'ceph', args);
export const rbd = (...args: string[]): Promise<string> => runAsAdmin(cluster, 'rbd', args);
export const rados = (...args: string[]): Promise<string> => runAsAdmin(cluster, 'rados', args);

function parseLines(text: string): string[] {
  return text.split('\n').filter(line => line !== '');
}

/** The names of a pool's images, sorted. */
export async function listImages(pool: string = cluster.pools.replicated): Promise<string[]> {
  return parseLines(await rbd('ls', '--pool', pool)).sort();
}

/** `<id> <name>` of all that is in a pool's trash, also what waits there for its last clone. */
export async function listTrash(pool: string = cluster.pools.replicated): Promise<string[]> {
  return parseLines(await rbd('trash', 'ls', '--all', '--pool', pool)).sort();
}

/** The subvolumes of a group; none where there is no such group. */
export async function listSubvolumes(group = 'csi'): Promise<string[]> {
  const groups = JSON.parse(await ceph('fs', 'subvolumegroup', 'ls', cluster.fsName)) as { name: string }[];
  if (!groups.some(({ name }) => name === group)) return [];
  const listed = await ceph('fs', 'subvolume', 'ls', cluster.fsName, group);
  return (JSON.parse(listed) as { name: string }[]).map(({ name }) => name).sort();
}

/** Makes all OSDs hang while `work` runs: reads and writes wait, as with a network that swallows everything. */
export async function withHangingOsds<T>(work: () => Promise<T>): Promise<T> {
  await Promise.all(osds.map(osd => signalDaemon(cluster.directory, osd, 'SIGSTOP')));
  try {
    return await work();
  } finally {
    await Promise.all(osds.map(osd => signalDaemon(cluster.directory, osd, 'SIGCONT')));
  }
}

/**
 * Kills the OSDs and starts them again: what clients have begun goes on when they are back. They forget, within 30 s,
 * clients that died. In Ceph before 17.2.8 and 18.2.5 that takes a restart for one that was killed while it opened an
 * image (tracker.ceph.com 58120): it stays listed as a watcher, and its image cannot be removed.
 */
export async function restartOsds(): Promise<void> {
  const before = await listStarts();
  await Promise.all(osds.map(osd => stopDaemon(cluster.directory, osd)));
  await Promise.all(osds.map(osd => startDaemon(cluster.directory, osd)));
  const end = Date.now() + RESTART_BOUND;
  const isBack = (starts: Starts) => osds.every(osd => (starts.get(osd) ?? 0) > (before.get(osd) ?? 0));
  while (!isBack(await listStarts())) {
    if (Date.now() > end) throw new Error(`the OSDs have not come back: ${await ceph('osd', 'tree')}`);
    await Promise.all(osds.map(ensureRunning));
    await sleep(500);
  }
}

/** For each OSD that is up, the epoch of the map since which it is: another one when it has started again. */
type Starts = ReadonlyMap<string, number>;

async function listStarts(): Promise<Starts> {
  const dump = JSON.parse(await ceph('osd', 'dump', '--format', 'json')) as {
    osds: { osd: number; up: number; up_from: number }[];
  };
  const up = dump.osds.filter(osd => osd.up === 1);
  return new Map(up.map(({ osd, up_from }) => [`osd.${osd}`, up_from]));
}

async function ensureRunning(osd: string): Promise<void> {
  if (!(await isRunning(cluster.directory, osd))) await startDaemon(cluster.directory, osd);
}

/** Limits a pool to so many bytes while `work` runs. Ceph notices that a pool is full some seconds late. */
export async function withPoolQuota<T>(pool: string, bytes: bigint, work: () => Promise<T>): Promise<T> {
  await ceph('osd', 'pool', 'set-quota', pool, 'max_bytes', String(bytes));
  try {
    return await work();
  } finally {
    await ceph('osd', 'pool', 'set-quota', pool, 'max_bytes', '0');
  }
}
