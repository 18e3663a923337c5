import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { listSnapshots } from '../ceph/fs-snapshot.ts';
import { listSubvolumes } from '../ceph/fs-subvolume.ts';
import { listFileSystems } from '../ceph/fs-volume.ts';
import type { Cluster } from '../config/clusters.ts';
import { DriverError } from '../model/errors.ts';
import {
  decodeSnapshotHandle,
  decodeVolumeHandle,
  type CephfsSnapshotHandle,
  type CephfsVolumeHandle,
} from '../model/handle.ts';
import type { Page, PageRequest } from '../model/volume.ts';
import { isTemporarySnapshot } from './copying.ts';
import { isGroup, viewGroup } from './names.ts';

/** Entries of a page where the caller has no wish: each costs a question to the cluster. */
const DEFAULT_PAGE = 200;

/** A cluster that can be listed. */
export interface OpenCluster {
  readonly cluster: Cluster;
  readonly access: ClusterAccess;
}

export interface Found<Handle> {
  readonly handle: Handle;
  readonly access: ClusterAccess;
}

type Key = readonly string[];

/** The order of a listing: by cluster, file system, group, subvolume, snapshot. A shorter key precedes its longer ones. */
function compareKeys(a: Key, b: Key): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (part !== other) return part < other ? -1 : 1;
  }
  return a.length - b.length;
}

function keyOf(handle: CephfsVolumeHandle | CephfsSnapshotHandle): Key {
  const key = [handle.clusterId, handle.fsName, handle.group, handle.subvolume];
  return 'snapshot' in handle ? [...key, handle.snapshot] : key;
}

/** The key that a page starts behind. @throws DriverError `aborted` for a token that is none (CSI: ListVolumes). */
export function parseToken(token: string | undefined): Key {
  if (token === undefined || token === '') return [];
  const handle = decodeVolumeHandle(token) ?? decodeSnapshotHandle(token);
  if (handle?.backend === 'cephfs') return keyOf(handle);
  throw new DriverError(
    'aborted',
    `starting_token: "${token}" is not a next_token of this driver; begin without one`,
  );
}

/** The subvolumes of a file system that volumes are, and those that stand for views, in order. */
async function listHandles(
  { clusterId, cephfs: { subvolumeGroup } }: Cluster,
  fsName: string,
  access: ClusterAccess,
): Promise<readonly CephfsVolumeHandle[]> {
  const groups = [subvolumeGroup, viewGroup(subvolumeGroup)].map(async group => {
    const names = (await listSubvolumes({ fsName, group }, access)).filter(name => !isGroup(name));
    return names.map(subvolume => ({ backend: 'cephfs', clusterId, fsName, group, subvolume }) as const);
  });
  return (await Promise.all(groups)).flat();
}

/** The subvolumes of volumes behind a key, or from it on, in order; those that hold only snapshots, too. */
export async function* findSubvolumes(
  clusters: readonly OpenCluster[],
  key: Key,
  start: 'from' | 'behind' = 'behind',
): AsyncGenerator<Found<CephfsVolumeHandle>> {
  const ordered = clusters.toSorted((a, b) => compareKeys([a.cluster.clusterId], [b.cluster.clusterId]));
  for (const { cluster, access } of ordered) {
    const names = (await listFileSystems(access)).map(({ name }) => name).toSorted();
    for (const fsName of names) {
      for (const handle of await listHandles(cluster, fsName, access)) {
        const order = compareKeys(keyOf(handle), key);
        if (order > 0 || (order === 0 && start === 'from')) yield { handle, access };
      }
    }
  }
}

/** The snapshots of a subvolume behind a key, without those that the driver makes for itself. */
export async function* findSnapshotsOf(
  { handle, access }: Found<CephfsVolumeHandle>,
  behind: Key,
): AsyncGenerator<Found<CephfsSnapshotHandle>> {
  for (const snapshot of await listSnapshots(handle, access)) {
    const place: CephfsSnapshotHandle = { ...handle, snapshot };
    const isListed = !isTemporarySnapshot(snapshot) && compareKeys(keyOf(place), behind) > 0;
    if (isListed) yield { handle: place, access };
  }
}

/** The snapshots of all subvolumes behind a key. */
export async function* findSnapshots(
  clusters: readonly OpenCluster[],
  behind: Key,
): AsyncGenerator<Found<CephfsSnapshotHandle>> {
  for await (const subvolume of findSubvolumes(clusters, behind.slice(0, 4), 'from')) {
    yield* findSnapshotsOf(subvolume, behind);
  }
}

/**
 * A page of what is found, each entry read from the cluster; entries that are gone meanwhile are left out.
 * @param tokenOf what the next page starts behind.
 */
export async function readPage<Handle, Entry>(
  found: AsyncGenerator<Found<Handle>>,
  read: (item: Found<Handle>) => Promise<Entry | undefined>,
  tokenOf: (entry: Entry) => string,
  request: Pick<PageRequest, 'maximumEntries'>,
): Promise<Page<Entry>> {
  const limit = request.maximumEntries > 0 ? request.maximumEntries : DEFAULT_PAGE;
  const entries: Entry[] = [];
  for await (const item of found) {
    const entry = await read(item);
    if (entry === undefined) continue;
    const last = entries.at(-1);
    if (entries.length === limit && last !== undefined) return { entries, nextToken: tokenOf(last) };
    entries.push(entry);
  }
  return { entries };
}
