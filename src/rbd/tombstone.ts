import { decodeText, nameObject } from '../ceph/image-objects.ts';
import { readOmapValue, removeObject } from '../ceph/rados-object.ts';
import { renameImage } from '../ceph/rbd-image.ts';
import type { CephSession, ImageRef } from '../ceph/rbd-session.ts';
import { isErrorOfKind } from '../model/errors.ts';
import { tombstoneName } from './marker.ts';

/** Where Ceph keeps the names of a pool's images by their IDs. */
const DIRECTORY = 'rbd_directory';

/**
 * Ends a renaming that was killed. `rbd mv` makes the new name, changes the directory, and takes the old name away; one
 * that ended in between leaves both names, and refuses to be repeated. The image's ID is in the tombstone's name: so that
 * name is nobody else's.
 */
async function finishRenaming(
  session: CephSession,
  ref: ImageRef,
  imageId: string,
  name: string,
): Promise<void> {
  const entry = await readOmapValue(session, ref, DIRECTORY, `id_${imageId}`);
  const isRenamed = entry !== undefined && decodeText(entry) === name;
  await removeObject(session, ref, nameObject(isRenamed ? ref.image : name));
  if (!isRenamed) await renameImage(session, ref, name);
}

/** Renames a deleted volume that has snapshots, whatever an earlier attempt has left. */
export async function renameToTombstone(
  session: CephSession,
  ref: ImageRef,
  imageId: string,
): Promise<ImageRef> {
  const tombstone = { ...ref, image: tombstoneName(imageId, ref.image) };
  try {
    await renameImage(session, ref, tombstone.image);
  } catch (error) {
    if (!isErrorOfKind(error, 'already-exists')) throw error;
    await finishRenaming(session, ref, imageId, tombstone.image);
  }
  return tombstone;
}
