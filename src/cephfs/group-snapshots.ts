import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { quiesceSubvolumes, releaseSubvolumes } from '../ceph/fs-quiesce.ts';
import { ensureSnapshot, listSnapshots, readSnapshot, removeSnapshot } from '../ceph/fs-snapshot.ts';
import { requireSubvolume } from '../ceph/fs-subvolume.ts';
import { DriverError } from '../model/errors.ts';
import { encodeCephfsGroupHandle, type CephfsGroupHandle } from '../model/group-handle.ts';
import { requireMembers } from '../model/group-members.ts';
import type { VolumeGroupSnapshot } from '../model/group-snapshot-backend.ts';
import type { CephfsSnapshotHandle, CephfsVolumeHandle } from '../model/handle.ts';
import type { Environment } from './environment.ts';
import { readGroupRecord, removeGroupRecord, writeGroupRecord, type GroupRecord } from './group-record.ts';
import { choosePartName, groupNameOf } from './names.ts';
import { releaseSnapshotName } from './snapshot-index.ts';
import { findPresent, removeAnnounced } from './snapshots.ts';

/** Seconds that the clients have to write out what they hold. */
const QUIESCE_TIMEOUT = 30;
/** Seconds that writes wait at most, when the driver dies meanwhile: these, and one for each volume. */
const EXPIRATION = 20;
/** Milliseconds for taking back what an attempt did that failed, also one that was cancelled. */
const UNDO_TIMEOUT = 15_000;

/** A group snapshot that is asked for. */
export interface GroupPlan {
  readonly place: CephfsGroupHandle;
  /** The whole digest of the request's name. */
  readonly digest: string;
  /** In the place's subvolume group; at least one, none twice. */
  readonly sources: readonly CephfsVolumeHandle[];
}

function partsOf(place: CephfsGroupHandle, { snapshot, members }: GroupRecord): CephfsSnapshotHandle[] {
  return members.map(subvolume => ({ ...place, backend: 'cephfs', subvolume, snapshot }));
}

/** The group snapshot of a record; undefined when not all of its snapshots are there any more. */
async function describeGroup(
  place: CephfsGroupHandle,
  record: GroupRecord,
  access: ClusterAccess,
): Promise<VolumeGroupSnapshot | undefined> {
  const found = await Promise.all(partsOf(place, record).map(part => findPresent(part, access)));
  const snapshots = found.filter(snapshot => snapshot !== undefined);
  if (snapshots.length < found.length) return undefined;
  return {
    groupSnapshotId: encodeCephfsGroupHandle(place),
    snapshots,
    createdAt: new Date(Math.max(...snapshots.map(({ createdAt }) => createdAt.getTime()))),
    readyToUse: true,
  };
}

function isOfSources({ members }: GroupRecord, { sources }: GroupPlan): boolean {
  const known = new Set(members);
  return known.size === sources.length && sources.every(({ subvolume }) => known.has(subvolume));
}

/** @throws DriverError `already-exists` when the group snapshot of that name is another one. */
function requireSame(record: GroupRecord, plan: GroupPlan): void {
  if (record.digest === plan.digest && isOfSources(record, plan)) return;
  throw new DriverError(
    'already-exists',
    `name: the group snapshot ${plan.place.subvolume} is there already, of the subvolumes ${record.members.join(', ')}`,
  );
}

/** Removes what attempts at this group snapshot have left that did not end. */
async function removeLeftovers({ place, sources }: GroupPlan, access: ClusterAccess): Promise<void> {
  for (const source of sources) {
    const names = await listSnapshots(source, access);
    for (const snapshot of names.filter(name => groupNameOf(name) === place.subvolume)) {
      await removeSnapshot({ ...source, snapshot }, access);
    }
  }
}

/** Makes the snapshots, all while no client writes to any of the volumes. */
async function takeSnapshots(plan: GroupPlan, snapshot: string, access: ClusterAccess): Promise<void> {
  const { place, sources } = plan;
  const set = { fsName: place.fsName, group: place.group, setId: `${place.subvolume}-${snapshot.slice(-4)}` };
  const undoing = { ...access, context: { ...access.context, signal: AbortSignal.timeout(UNDO_TIMEOUT) } };
  const members = sources.map(({ subvolume }) => subvolume);
  const expiration = EXPIRATION + members.length;
  try {
    await quiesceSubvolumes({ ...set, members, timeout: QUIESCE_TIMEOUT, expiration }, access);
    // One after the other, since the manager does no more either.
    for (const source of sources) await ensureSnapshot({ ...source, snapshot }, access);
    await releaseSubvolumes(set, access);
  } catch (error) {
    await releaseSubvolumes(set, undoing).catch(() => undefined);
    for (const source of sources) {
      await removeSnapshot({ ...source, snapshot }, undoing).catch(() => undefined);
    }
    throw error;
  }
}

/**
 * One snapshot of each volume, all of the same point in time.
 * @throws DriverError `already-exists`, `not-found` for a volume that is gone, `aborted` when the clients could not be
 *   held back as long as it took, `failed-precondition` where Ceph cannot do it.
 */
export async function ensureGroupSnapshot(
  plan: GroupPlan,
  access: ClusterAccess,
  environment: Environment,
): Promise<VolumeGroupSnapshot> {
  const { place, digest, sources } = plan;
  const existing = await readGroupRecord(place, access);
  if (existing !== undefined) {
    requireSame(existing, plan);
    const group = await describeGroup(place, existing, access);
    if (group !== undefined) return group;
    // Its deletion was begun.
    await removeGroup(place, existing, access, environment);
  }
  for (const source of sources) await requireSubvolume(source, 'source_volume_ids', access);
  await removeLeftovers(plan, access);
  const snapshot = choosePartName(place.subvolume);
  await takeSnapshots(plan, snapshot, access);
  const record = { digest, snapshot, members: sources.map(({ subvolume }) => subvolume) };
  await writeGroupRecord(place, record, access);
  const made = await describeGroup(place, record, access);
  if (made !== undefined) return made;
  throw new DriverError('aborted', `name: group snapshot ${place.subvolume} was deleted while it was made`);
}

/** @throws DriverError `not-found`, or `invalid-argument` when its snapshots are others. */
export async function readGroupSnapshot(
  place: CephfsGroupHandle,
  snapshotIds: readonly string[],
  access: ClusterAccess,
): Promise<VolumeGroupSnapshot> {
  const record = await readGroupRecord(place, access);
  const group = record === undefined ? undefined : await describeGroup(place, record, access);
  if (group === undefined) {
    throw new DriverError('not-found', `group_snapshot_id: there is no group snapshot ${place.subvolume}`);
  }
  requireMembers(snapshotIds, group);
  return group;
}

async function removeGroup(
  place: CephfsGroupHandle,
  record: GroupRecord,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  for (const part of partsOf(place, record)) {
    if ((await readSnapshot(part, access)) !== undefined) await removeAnnounced(part, access, environment);
    await releaseSnapshotName(part, access, environment);
  }
  await removeGroupRecord(place, access);
}

/**
 * Removes all snapshots of the group, and the subvolumes of those that are deleted volumes without other snapshots.
 * @throws DriverError `invalid-argument` when its snapshots are others, `failed-precondition` while one is being copied
 *   or shown by a view.
 */
export async function deleteGroupSnapshot(
  place: CephfsGroupHandle,
  snapshotIds: readonly string[],
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  const record = await readGroupRecord(place, access);
  // A subvolume that tells nothing is what an attempt left that was killed before it had written the record.
  if (record === undefined) {
    await removeGroupRecord(place, access);
    return;
  }
  const group = await describeGroup(place, record, access);
  if (group !== undefined) requireMembers(snapshotIds, group);
  await removeGroup(place, record, access, environment);
}
