import { decodeText, headerObject, nameObject } from '../ceph/image-objects.ts';
import { isObjectThere, readObject, readOmapValue, writeOmapValue } from '../ceph/rados-object.ts';
import { readOwnBytes, removeImage, type ImageInfo, type Watcher } from '../ceph/rbd-image.ts';
import { viewImage } from '../ceph/rbd-image-view.ts';
import { imageSpec, type CephSession, type ImageIdRef, type ImageRef } from '../ceph/rbd-session.ts';
import { moveToTrash } from '../ceph/rbd-trash.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import { DISCARDED, MARKER_KEY, readMarker, volumeNameOf, type Marker } from './marker.ts';

/** Called with an image that has been moved to the trash, to be removed when its time has come. */
export type OnTrashed = (session: CephSession, ref: ImageIdRef) => void;

/**
 * What an image is to this driver. `absent`: it cannot be opened, which is also what a half-made or half-removed one
 * looks like. `unmarked`: half made, or somebody else's.
 */
export type ImageState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unmarked'; readonly info: ImageInfo }
  | { readonly kind: 'volume'; readonly info: ImageInfo; readonly marker: Marker };

/** A volume's image with what is noted at it. */
export type VolumeImage = Extract<ImageState, { kind: 'volume' }>;

async function inspect(
  session: CephSession,
  ref: ImageRef,
  watchers: boolean,
): Promise<{ readonly state: ImageState; readonly watchers: readonly Watcher[] }> {
  const view = await viewImage(session, ref, { key: MARKER_KEY, watchers });
  if (view === undefined) return { state: { kind: 'absent' }, watchers: [] };
  const { info } = view;
  const marker = readMarker(view.metadata);
  const isComplete = marker?.image === volumeNameOf(info) && info.sizeBytes >= marker.sizeBytes;
  const state: ImageState = isComplete ? { kind: 'volume', info, marker } : { kind: 'unmarked', info };
  return { state, watchers: view.watchers };
}

/** Asks Ceph what the image is. @throws DriverError `not-found` when the pool is missing. */
export async function inspectImage(session: CephSession, ref: ImageRef): Promise<ImageState> {
  return (await inspect(session, ref, false)).state;
}

/** As `inspectImage`, and who has the image open. */
export function inspectWithWatchers(session: CephSession, ref: ImageRef): ReturnType<typeof inspect> {
  return inspect(session, ref, true);
}

function asVolume(state: ImageState, ref: ImageRef, field: string): VolumeImage {
  switch (state.kind) {
    case 'volume':
      return state;
    case 'absent':
      throw new DriverError('not-found', `${field}: there is no image ${imageSpec(ref)}`);
    case 'unmarked':
      throw new DriverError('not-found', `${field}: image ${imageSpec(ref)} is no volume of this driver`);
  }
}

/** The volume's image. @throws DriverError `not-found` when there is none that this driver made. */
export async function requireVolume(
  session: CephSession,
  ref: ImageRef,
  field = 'volume_id',
): Promise<VolumeImage> {
  return asVolume(await inspectImage(session, ref), ref, field);
}

/** As `requireVolume`, and who has the image open. */
export async function requireVolumeWithWatchers(
  session: CephSession,
  ref: ImageRef,
): Promise<{ readonly volume: VolumeImage; readonly watchers: readonly Watcher[] }> {
  const { state, watchers } = await inspectWithWatchers(session, ref);
  return { volume: asVolume(state, ref, 'volume_id'), watchers };
}

/** Whether there is anything to open. */
export function hasHeader(session: CephSession, ref: ImageIdRef): Promise<boolean> {
  return isObjectThere(session, ref, headerObject(ref.imageId));
}

/** Where the marker of an image is kept, also of one that is in the trash, and cannot be opened by name. */
function markerPlace(imageId: string): readonly [object: string, key: string] {
  return [headerObject(imageId), `metadata_${MARKER_KEY}`];
}

/** The marker of an image that may be in the trash. */
export async function readMarkerById(session: CephSession, ref: ImageIdRef): Promise<Marker | undefined> {
  return readMarker(await readOmapValue(session, ref, ...markerPlace(ref.imageId)));
}

/** The ID behind an image's name. */
async function readImageId(session: CephSession, ref: ImageRef): Promise<string | undefined> {
  const text = await readObject(session, ref, nameObject(ref.image));
  return text === undefined ? undefined : decodeText(text);
}

/**
 * What an image that cannot be opened is. `remains`: parts that a killed program left, or nothing at all. `volume`: one
 * of this driver, of which Ceph has lost something (its parent). `foreign`: somebody else's that has.
 */
export type Unopenable =
  | { readonly kind: 'remains' }
  | { readonly kind: 'volume'; readonly imageId: string }
  | { readonly kind: 'foreign' };

/** Looks at the objects of an image that cannot be opened. */
export async function examineUnopenable(session: CephSession, ref: ImageRef): Promise<Unopenable> {
  const imageId = await readImageId(session, ref);
  if (imageId === undefined || imageId === '') return { kind: 'remains' };
  if (!(await hasHeader(session, { ...ref, imageId }))) return { kind: 'remains' };
  const marker = await readMarkerById(session, { ...ref, imageId });
  return marker?.image === ref.image ? { kind: 'volume', imageId } : { kind: 'foreign' };
}

/** What is wrong with a volume that cannot be opened. */
export function describeUnopenable(ref: ImageRef): string {
  const spec = imageSpec(ref);
  return `image ${spec} is a volume, and cannot be opened; "rbd info ${spec}" tells why`;
}

/**
 * Moves what a killed attempt left half made to the trash, marked as this driver's, so that it is removed there whatever
 * happens. To remove it at once would need all its watchers gone, and some releases of Ceph list a killed client as
 * one for ever (tracker.ceph.com/issues/58120). Neither step opens the image, or waits for a dead client's lock.
 */
async function discardImage(
  session: CephSession,
  ref: ImageRef,
  imageId: string,
  onTrashed: OnTrashed,
): Promise<void> {
  await writeOmapValue(session, ref, ...markerPlace(imageId), DISCARDED);
  if (await moveToTrash(session, ref)) onTrashed(session, { ...ref, imageId });
}

/**
 * Removes what a killed attempt to make or to remove the image has left. Only what holds no data goes.
 * @returns false when the image is somebody else's: it has snapshots or data, and no marker.
 * @throws DriverError `aborted` while the program of that attempt still has it locked.
 */
export async function removeUnfinished(
  session: CephSession,
  ref: ImageRef,
  state: Exclude<ImageState, VolumeImage>,
  onTrashed: OnTrashed,
): Promise<boolean> {
  try {
    if (state.kind === 'absent') {
      const { kind } = await examineUnopenable(session, ref);
      if (kind === 'volume') throw new DriverError('internal', describeUnopenable(ref));
      if (kind === 'foreign') return false;
      await removeImage(session, ref);
    } else {
      const isEmpty = state.info.snapshotCount === 0 && (await readOwnBytes(session, ref)) === 0n;
      if (!isEmpty) return false;
      await discardImage(session, ref, state.info.imageId, onTrashed);
    }
    return true;
  } catch (error) {
    if (!isErrorOfKind(error, 'failed-precondition')) throw error;
    throw new DriverError(
      'aborted',
      `image ${imageSpec(ref)}: an earlier attempt to make it is still ending; Ceph takes up to 30 s to notice`,
      { cause: error },
    );
  }
}
