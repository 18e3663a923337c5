import {
  findGroup,
  listGroupImages,
  listGroups,
  readGroupSnapshot,
  removeFromGroup,
  removeGroup,
  type GroupRef,
  type GroupSnapshot,
} from '../../ceph/rbd-group.ts';
import { readImage } from '../../ceph/rbd-image.ts';
import type { CephSession, ImageRef, PoolRef } from '../../ceph/rbd-session.ts';
import { listSnapshots } from '../../ceph/rbd-snapshot.ts';
import { GROUP_PREFIX, GROUP_SNAPSHOT } from '../snapshot-kind.ts';

/**
 * Takes an image out of the group of this driver's that it is in. Images are in one for as long as a group snapshot is
 * made, or when that was killed: whoever needs the image takes it out, and whoever is still at work finds his group
 * snapshot incomplete, and begins anew.
 * @returns whether it was in one.
 */
export async function leaveOwnGroup(session: CephSession, image: ImageRef): Promise<boolean> {
  const group = await findGroup(session, image);
  if (group?.group.startsWith(GROUP_PREFIX) !== true) return false;
  await removeFromGroup(session, group, image);
  return true;
}

/** Takes all images out of the group, but those that `stays` says yes to. Their part of its snapshot stays as it is. */
export async function emptyGroup(
  session: CephSession,
  group: GroupRef,
  stays: (image: ImageRef) => boolean = () => false,
): Promise<void> {
  const images = (await listGroupImages(session, group)).filter(image => !stays(image));
  await Promise.all(images.map(image => removeFromGroup(session, group, image)));
}

/** The groups of this driver's in a pool. */
export async function listOwnGroups(session: CephSession, ref: PoolRef): Promise<readonly GroupRef[]> {
  const names = (await listGroups(session, ref)).filter(name => name.startsWith(GROUP_PREFIX));
  return names.map(group => ({ ...ref, group }));
}

/** Milliseconds after which nobody is still at work on a group's snapshot that is not complete. */
const ABANDONED_AFTER = 3_600_000;

async function isAbandoned(session: CephSession, { isComplete, members }: GroupSnapshot): Promise<boolean> {
  if (isComplete) return false;
  const times = await Promise.all(
    members.map(async member => {
      const info = await readImage(session, member);
      if (info === undefined) return [];
      const snapshots = (await listSnapshots(session, { ...member, imageId: info.imageId })) ?? [];
      return snapshots
        .filter(({ number }) => number === member.snapshotNumber)
        .map(({ createdAt }) => createdAt);
    }),
  );
  const newest = Math.max(...times.flat().map(time => time.getTime()));
  return Number.isFinite(newest) && Date.now() - newest > ABANDONED_AFTER;
}

/**
 * Removes what killed attempts have left: images in groups, and parts of snapshots that never became complete. Another
 * driver may be at work meanwhile, so nothing goes that it may be about to complete.
 */
export async function sweepGroups(session: CephSession, ref: PoolRef): Promise<void> {
  for (const group of await listOwnGroups(session, ref)) {
    await emptyGroup(session, group);
    const snapshot = await readGroupSnapshot(session, group, GROUP_SNAPSHOT);
    if (snapshot !== undefined && (await isAbandoned(session, snapshot))) await removeGroup(session, group);
  }
}
