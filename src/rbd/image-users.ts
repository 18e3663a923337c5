import { headerObject } from '../ceph/image-objects.ts';
import { isWatched } from '../ceph/rados-object.ts';
import { listWatchers } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { DriverError } from '../model/errors.ts';

/**
 * The addresses of the clients that have the image open. Those that have it open for a moment only (an `rbd` program
 * of the driver's own), and those that Ceph lists though they are gone for good, do not count; a client that died
 * less than 30 s ago does, since nobody can tell it from a slow one.
 */
export async function findUsers(
  session: CephSession,
  ref: ImageRef,
  imageId: string,
): Promise<readonly string[]> {
  const before = (await listWatchers(session, ref)) ?? [];
  if (before.length === 0) return [];
  if (!(await isWatched(session, ref, headerObject(imageId)))) return [];
  const after = (await listWatchers(session, ref)) ?? [];
  return after.map(watcher => watcher.address);
}

/** @throws DriverError `failed-precondition` naming the addresses of those that use the image. */
export async function requireUnused(session: CephSession, ref: ImageRef, imageId: string): Promise<void> {
  const users = await findUsers(session, ref, imageId);
  if (users.length === 0) return;
  throw new DriverError(
    'failed-precondition',
    `image ${imageSpec(ref)} is in use at ${users.join(', ')}; a client that died counts for 30 s more`,
  );
}
