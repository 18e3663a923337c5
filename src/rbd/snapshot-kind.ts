import type { SnapshotInfo } from '../ceph/rbd-snapshot.ts';
import { isTemporarySnapshot } from './marker.ts';

/** What the driver's own groups are called in Ceph: this and the name of the group snapshot. */
export const GROUP_PREFIX = 'csi-group-';
/** The one snapshot of a group. */
export const GROUP_SNAPSHOT = 'csi-driver-ceph';

/** Whether it is part of a group snapshot of this driver. */
export function isGroupMember({ group }: SnapshotInfo): boolean {
  return group?.snapshot === GROUP_SNAPSHOT && group.group.startsWith(GROUP_PREFIX);
}

/** What a user can name: not what the driver makes for itself, nor what others do. */
export function isUserSnapshot(snapshot: SnapshotInfo): boolean {
  return (snapshot.kind === 'user' && !isTemporarySnapshot(snapshot.name)) || isGroupMember(snapshot);
}
