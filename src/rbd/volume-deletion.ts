import type { ImageInfo } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { listSnapshots, removeSnapshot } from '../ceph/rbd-snapshot.ts';
import { moveToTrash } from '../ceph/rbd-trash.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import { leaveOwnGroup } from './groups/membership.ts';
import {
  examineUnopenable,
  inspectWithWatchers,
  removeUnfinished,
  type ImageState,
  type OnTrashed,
  type VolumeImage,
} from './image-state.ts';
import { requireUnused } from './image-users.ts';
import { isTemporarySnapshot } from './marker.ts';
import { renameToTombstone } from './tombstone.ts';

/**
 * Whether a volume can be restored from a snapshot of the image. Snapshots that a clone has needed for a moment are
 * removed on the way; those in the trash do not count: nobody can name them.
 */
async function hasUserSnapshots(session: CephSession, ref: ImageRef, info: ImageInfo): Promise<boolean> {
  const image = { ...ref, imageId: info.imageId };
  const snapshots = (await listSnapshots(session, image)) ?? [];
  const ofUsers = snapshots.filter(snapshot => snapshot.kind !== 'trash');
  const temporary = ofUsers.filter(({ name }) => isTemporarySnapshot(name));
  for (const { number } of temporary) await removeSnapshot(session, image, { number });
  return ofUsers.length > temporary.length;
}

async function trashImage(
  session: CephSession,
  ref: ImageRef,
  { info, marker }: VolumeImage,
  onTrashed: OnTrashed,
): Promise<void> {
  const expiresAt = marker.retention === 0 ? undefined : new Date(Date.now() + marker.retention);
  const move = () => moveToTrash(session, ref, expiresAt);
  const isMoved = await move().catch(async (error: unknown) => {
    // A killed attempt to make a group snapshot has left it in the group.
    if (!isErrorOfKind(error, 'failed-precondition') || !(await leaveOwnGroup(session, ref))) throw error;
    return await move();
  });
  if (!isMoved) return;
  onTrashed(session, { ...ref, imageId: info.imageId });
}

/** Moves a tombstone whose last snapshot is gone to the trash. */
export async function dropTombstone(
  session: CephSession,
  ref: ImageRef,
  volume: VolumeImage,
  onTrashed: OnTrashed,
): Promise<void> {
  if (await hasUserSnapshots(session, ref, volume.info)) return;
  await trashImage(session, ref, volume, onTrashed);
}

/** A volume that cannot be opened goes, too, and what a killed attempt to make or to delete one has left. */
async function deleteRemains(
  session: CephSession,
  ref: ImageRef,
  state: Exclude<ImageState, VolumeImage>,
  onTrashed: OnTrashed,
): Promise<void> {
  if (state.kind === 'absent') {
    const found = await examineUnopenable(session, ref);
    // Without an image of that name, this finishes a move to the trash that was killed.
    if (found.kind !== 'foreign') await moveToTrash(session, ref);
    if (found.kind === 'volume') {
      onTrashed(session, { ...ref, imageId: found.imageId });
      return;
    }
  }
  if (await removeUnfinished(session, ref, state, onTrashed)) return;
  throw new DriverError(
    'failed-precondition',
    `volume_id: image ${imageSpec(ref)} is no volume of this driver, and stays`,
  );
}

/**
 * Deletes a volume in about the time of a rename: its data goes in the background. With snapshots, it is kept under
 * another name, so that they can still be restored, until the last one goes.
 * @throws DriverError `failed-precondition` when the image is in use, or not this driver's.
 */
export async function deleteVolume(session: CephSession, ref: ImageRef, onTrashed: OnTrashed): Promise<void> {
  const { state, watchers } = await inspectWithWatchers(session, ref);
  if (state.kind !== 'volume') {
    await deleteRemains(session, ref, state, onTrashed);
    return;
  }
  if (watchers.length > 0) await requireUnused(session, ref, state.info.imageId);
  if (state.info.snapshotCount === 0 || !(await hasUserSnapshots(session, ref, state.info))) {
    await trashImage(session, ref, state, onTrashed);
    return;
  }
  const tombstone = await renameToTombstone(session, ref, state.info.imageId);
  // DeleteSnapshot may have removed the last snapshot before it could see that this is a tombstone now.
  await dropTombstone(session, tombstone, state, onTrashed);
}
