import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { readSubvolumeMetadata, writeSubvolumeMetadata } from '../ceph/fs-metadata.ts';
import { createSubvolume, removeSubvolume, type SubvolumePlace } from '../ceph/fs-subvolume.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { CephfsGroupHandle } from '../model/group-handle.ts';
import type { CephfsSnapshotHandle } from '../model/handle.ts';
import { groupNameOf } from './names.ts';

/*
 * An empty subvolume stands for a group snapshot, in the group of its volumes. Its metadata tells of which subvolumes it
 * is, and what their snapshots are called. That is written last: snapshots that no record names are what is left of an
 * attempt that did not end, and nobody has been told of them.
 */

const KEY = 'csi-driver-ceph.group';

export interface GroupRecord {
  /** The whole digest of the request's name: the name in Ceph has only the beginning. */
  readonly digest: string;
  /** The same for all of them. */
  readonly snapshot: string;
  /** The names of the subvolumes, at least one. */
  readonly members: readonly string[];
}

/** The record of a group snapshot that is complete; undefined when there is none. */
export async function readGroupRecord(
  place: SubvolumePlace,
  access: ClusterAccess,
): Promise<GroupRecord | undefined> {
  try {
    const text = await readSubvolumeMetadata(place, KEY, access);
    const [digest, snapshot, ...members] = text?.split(' ') ?? [];
    return digest === undefined || snapshot === undefined ? undefined : { digest, snapshot, members };
  } catch (error) {
    if (isErrorOfKind(error, 'not-found')) return undefined;
    throw error;
  }
}

/** Declares a group snapshot complete. */
export async function writeGroupRecord(
  place: SubvolumePlace,
  { digest, snapshot, members }: GroupRecord,
  access: ClusterAccess,
): Promise<void> {
  await createSubvolume(place, access);
  const value = [digest, snapshot, ...members].join(' ');
  await writeSubvolumeMetadata(place, { key: KEY, value }, access);
}

/** Removes the record, when all snapshots that it names are removed; resolves also when there is none. */
export async function removeGroupRecord(place: SubvolumePlace, access: ClusterAccess): Promise<void> {
  await removeSubvolume(place, {}, access);
}

/** The group whose part a snapshot is or was to become; undefined for a snapshot of its own. */
export function groupOf({
  clusterId,
  fsName,
  group,
  snapshot,
}: CephfsSnapshotHandle): CephfsGroupHandle | undefined {
  const subvolume = groupNameOf(snapshot);
  return subvolume === undefined ? undefined : { clusterId, fsName, group, subvolume };
}

/** Whether a snapshot is what an attempt at a group snapshot left that did not end. */
export async function isUnfinishedPart(place: CephfsSnapshotHandle, access: ClusterAccess): Promise<boolean> {
  const group = groupOf(place);
  return group !== undefined && (await readGroupRecord(group, access))?.snapshot !== place.snapshot;
}

/** @throws DriverError `failed-precondition` for a part of a group snapshot: it goes with the others (CSI: DeleteSnapshot). */
export async function refusePart(place: CephfsSnapshotHandle, access: ClusterAccess): Promise<void> {
  const group = groupOf(place);
  if (group === undefined || (await isUnfinishedPart(place, access))) return;
  throw new DriverError(
    'failed-precondition',
    `snapshot_id: ${place.snapshot} of ${place.subvolume} is part of the group snapshot ${group.subvolume}, and is ` +
      'deleted with it',
  );
}
