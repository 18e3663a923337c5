import { headerObject } from '../../ceph/image-objects.ts';
import { listOmapKeys, removeOmapKey, writeOmapValue } from '../../ceph/rados-object.ts';
import { readImageById, type ImageInfo } from '../../ceph/rbd-image.ts';
import type { CephSession, ImageIdRef, ImageRef, PoolRef } from '../../ceph/rbd-session.ts';
import { readMarkerById } from '../image-state.ts';

/** The object of a pool whose omap has a key, the image's ID, for each image that is being flattened. */
const JOURNAL = 'csi-driver-ceph.flattening';

export function noteFlattening(session: CephSession, ref: ImageRef, imageId: string): Promise<void> {
  return writeOmapValue(session, ref, JOURNAL, imageId, ref.image);
}

export function forgetFlattening(session: CephSession, { imageId, ...ref }: ImageIdRef): Promise<void> {
  return removeOmapKey(session, ref, JOURNAL, imageId);
}

/**
 * An `rbd flatten` that is killed at its very end has copied all data and given up the parent, but the image's header
 * still names it; when that parent has gone, the image cannot be opened any more (seen with 16.2). Without the name it
 * can.
 */
async function openMended(session: CephSession, image: ImageIdRef): Promise<ImageInfo | undefined> {
  const info = await readImageById(session, image);
  if (info !== undefined || (await readMarkerById(session, image)) === undefined) return info;
  await removeOmapKey(session, image, headerObject(image.imageId), 'parent');
  session.context.log.warn({ imageId: image.imageId }, 'mended an image whose flattening was killed');
  return readImageById(session, image);
}

/** The images of the pool whose flattening was cut short, and has to be done again. */
export async function listInterrupted(session: CephSession, ref: PoolRef): Promise<readonly ImageRef[]> {
  const images: ImageRef[] = [];
  for (const imageId of await listOmapKeys(session, ref, JOURNAL)) {
    const image = { ...ref, imageId };
    const info = await openMended(session, image);
    if (info?.parent === undefined) await forgetFlattening(session, image);
    else images.push({ ...ref, image: info.name });
  }
  return images;
}
