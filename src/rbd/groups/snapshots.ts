import {
  addToGroup,
  createGroupSnapshot,
  ensureGroup,
  readGroupSnapshot,
  removeGroup,
  removeGroupSnapshot,
  type GroupMember,
  type GroupSnapshot,
} from '../../ceph/rbd-group.ts';
import { readImage } from '../../ceph/rbd-image.ts';
import {
  imageSpec,
  poolSpec,
  type CephSession,
  type ImageIdRef,
  type ImageRef,
} from '../../ceph/rbd-session.ts';
import { DriverError } from '../../model/errors.ts';
import { requireMembers } from '../../model/group-members.ts';
import type { VolumeGroupSnapshot } from '../../model/group-snapshot-backend.ts';
import type { Flattener } from '../upkeep/flattener.ts';
import { describeGroup, hasSources } from './description.ts';
import { emptyGroup, leaveOwnGroup } from './membership.ts';
import { requireVolume, type OnTrashed } from '../image-state.ts';
import { decodeSnapshotPlace, type GroupPlace, type VolumePlace } from '../places.ts';
import { GROUP_SNAPSHOT } from '../snapshot-kind.ts';
import { requireSnapshotRoom } from '../snapshot-room.ts';
import { dropIfTombstone, type SnapshotTools } from '../snapshots.ts';

/** The same image has the same text, whatever its object has besides. */
function isSameImage(a: ImageRef, b: ImageRef): boolean {
  return imageSpec(a) === imageSpec(b);
}

/** @throws DriverError `failed-precondition` when the image is in a group that is not this driver's. */
async function joinGroup(session: CephSession, place: GroupPlace, image: ImageRef): Promise<void> {
  if (await addToGroup(session, place, image)) return;
  if ((await leaveOwnGroup(session, image)) && (await addToGroup(session, place, image))) return;
  throw new DriverError(
    'failed-precondition',
    `source_volume_ids: image ${imageSpec(image)} is in an RBD group already, and can only be in one; ` +
      '"rbd info" names it',
  );
}

/** Holds back flattening of all images while `action` runs. */
function whileUnflattened<T>(
  flattener: Flattener,
  session: CephSession,
  [image, ...others]: readonly ImageRef[],
  action: () => Promise<T>,
): Promise<T> {
  if (image === undefined) return action();
  return flattener.whileUnflattened(session, image, () =>
    whileUnflattened(flattener, session, others, action),
  );
}

/** Makes the snapshot of all images, with only these in the group. */
async function makeGroupSnapshot(
  session: CephSession,
  place: GroupPlace,
  sources: readonly VolumePlace[],
  flattener: Flattener,
): Promise<GroupSnapshot> {
  await ensureGroup(session, place);
  await emptyGroup(session, place, image => sources.some(source => isSameImage(source, image)));
  await Promise.all(sources.map(source => joinGroup(session, place, source)));
  await whileUnflattened(flattener, session, sources, () =>
    createGroupSnapshot(session, place, GROUP_SNAPSHOT),
  );
  const made = await readGroupSnapshot(session, place, GROUP_SNAPSHOT);
  const isWhole =
    made?.isComplete === true &&
    made.members.length === sources.length &&
    made.members.every(member => sources.some(source => isSameImage(source, member)));
  if (isWhole) return made;
  // One that is not complete may be that of another driver, which is still at work.
  if (made?.isComplete === true) await removeGroupSnapshot(session, place, GROUP_SNAPSHOT);
  throw new DriverError(
    'aborted',
    `name: group ${place.group} was changed by somebody else while its snapshot was made`,
  );
}

/**
 * One snapshot of each volume, all of the same point in time. Images leave the group when its snapshot is there: it
 * stays restorable, and they are free for other groups, and to be deleted.
 */
export async function ensureGroupSnapshot(
  session: CephSession,
  place: GroupPlace,
  sources: ReadonlyMap<string, VolumePlace>,
  tools: SnapshotTools,
): Promise<VolumeGroupSnapshot> {
  const existing = await readGroupSnapshot(session, place, GROUP_SNAPSHOT);
  const group = existing === undefined ? undefined : await describeGroup(session, place, existing);
  if (group !== undefined) {
    if (!hasSources(group, [...sources.keys()])) {
      throw new DriverError(
        'already-exists',
        'name: there is a group snapshot of that name of other volumes',
      );
    }
    await emptyGroup(session, place);
    return group;
  }
  // Half made, or half removed.
  if (existing !== undefined) await removeGroupSnapshot(session, place, GROUP_SNAPSHOT);
  const images = [...sources.values()];
  await Promise.all(
    images.map(async image => {
      const { info } = await requireVolume(session, image, 'source_volume_ids');
      await requireSnapshotRoom(session, image, info, tools.flattener, tools.limits);
    }),
  );
  const made = await makeGroupSnapshot(session, place, images, tools.flattener);
  await emptyGroup(session, place);
  const whole = await describeGroup(session, place, made);
  if (whole !== undefined) return whole;
  throw new DriverError('aborted', `name: group snapshot ${place.group} was deleted while it was made`);
}

/** @throws DriverError `not-found`, or `invalid-argument` when its snapshots are others. */
export async function readGroup(
  session: CephSession,
  place: GroupPlace,
  snapshotIds: readonly string[],
): Promise<VolumeGroupSnapshot> {
  const found = await readGroupSnapshot(session, place, GROUP_SNAPSHOT);
  const group = found === undefined ? undefined : await describeGroup(session, place, found);
  if (group === undefined) {
    throw new DriverError('not-found', `group_snapshot_id: there is no group snapshot ${place.group}`);
  }
  requireMembers(snapshotIds, group);
  return group;
}

async function findImages(
  session: CephSession,
  members: readonly GroupMember[],
): Promise<readonly ImageIdRef[]> {
  const infos = await Promise.all(members.map(member => readImage(session, member)));
  return members.flatMap((member, index) => {
    const imageId = infos[index]?.imageId;
    return imageId === undefined ? [] : [{ ...member, imageId }];
  });
}

/** Removes all snapshots of the group, and the images of those that are deleted volumes without other snapshots. */
export async function deleteGroup(
  session: CephSession,
  place: GroupPlace,
  snapshotIds: readonly string[],
  onTrashed: OnTrashed,
): Promise<void> {
  const found = await readGroupSnapshot(session, place, GROUP_SNAPSHOT);
  const group = found === undefined ? undefined : await describeGroup(session, place, found);
  if (group !== undefined) requireMembers(snapshotIds, group);
  const images = await findImages(session, found?.members ?? []);
  await emptyGroup(session, place);
  await removeGroupSnapshot(session, place, GROUP_SNAPSHOT);
  await removeGroup(session, place);
  // What the caller names counts where an earlier attempt came no further; a tombstone only goes with its last snapshot.
  const named = snapshotIds.flatMap(id => decodeSnapshotPlace(id) ?? []);
  const all = [...images, ...named.filter(({ clusterId }) => clusterId === place.clusterId)];
  const each = new Map(all.map(image => [`${poolSpec(image)} ${image.imageId}`, image]));
  await Promise.all([...each.values()].map(image => dropIfTombstone(session, image, onTrashed)));
}
