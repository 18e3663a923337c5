import type { GroupMember, GroupSnapshot } from '../../ceph/rbd-group.ts';
import { readImage } from '../../ceph/rbd-image.ts';
import type { CephSession } from '../../ceph/rbd-session.ts';
import { listSnapshots } from '../../ceph/rbd-snapshot.ts';
import type { VolumeGroupSnapshot } from '../../model/group-snapshot-backend.ts';
import type { Snapshot } from '../../model/volume.ts';
import { encodeGroupPlace, type GroupPlace } from '../places.ts';
import { snapshotOf } from '../snapshots.ts';

async function describeMember(
  session: CephSession,
  clusterId: string,
  member: GroupMember,
): Promise<Snapshot | undefined> {
  const info = await readImage(session, member);
  if (info === undefined) return undefined;
  const snapshots = await listSnapshots(session, { ...member, imageId: info.imageId });
  const found = snapshots?.find(({ number }) => number === member.snapshotNumber);
  return found === undefined ? undefined : snapshotOf(clusterId, member, info, found);
}

/** The group snapshot; undefined when it is not, or not any more, there with all its parts. */
export async function describeGroup(
  session: CephSession,
  place: GroupPlace,
  { isComplete, members }: GroupSnapshot,
): Promise<VolumeGroupSnapshot | undefined> {
  const { clusterId } = place;
  if (!isComplete) return undefined;
  const found = await Promise.all(members.map(member => describeMember(session, clusterId, member)));
  const snapshots = found.filter(snapshot => snapshot !== undefined);
  if (snapshots.length < members.length) return undefined;
  return {
    groupSnapshotId: encodeGroupPlace(clusterId, place),
    snapshots,
    createdAt: new Date(Math.max(...snapshots.map(({ createdAt }) => createdAt.getTime()))),
    readyToUse: true,
  };
}

/** Whether it has a snapshot of each of these volumes, and of no other. */
export function hasSources({ snapshots }: VolumeGroupSnapshot, sourceVolumeIds: readonly string[]): boolean {
  const sources = new Set(snapshots.map(({ sourceVolumeId }) => sourceVolumeId));
  return sources.size === sourceVolumeIds.length && sourceVolumeIds.every(id => sources.has(id));
}
