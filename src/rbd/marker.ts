import { isObject } from '../ceph/rbd-json.ts';
import type { VolumeSource } from '../model/volume.ts';

/**
 * The key of the metadata that says that an image is a volume of this driver. It is the last key that is set when a
 * volume is made; it sorts behind the others, since `rbd import` sets them in that order; over a lasting connection
 * all are set at once. With it, and with the size that it tells, the image is complete. An image without it is either
 * half made or somebody else's.
 */
export const MARKER_KEY = 'volume.csi-driver-ceph';

const VERSION = 1;

/** What the driver notes at an image of its own. */
export interface Marker {
  /** The image's name at first. A clone receives its parent's metadata, and with it a marker of another image. */
  readonly image: string;
  /** The `name` of the CreateVolume request. */
  readonly name: string;
  readonly source?: VolumeSource;
  /** Bytes of the image when it was complete. `rbd import` sets the size after the metadata; and a size never shrinks. */
  readonly sizeBytes: bigint;
  /** How many parents stood above the image when it was made; since then some may have become unnecessary. */
  readonly depth: number;
  /** Milliseconds that the volume stays in the trash once deleted; 0: none. */
  readonly retention: number;
}

export function writeMarker(marker: Marker): string {
  return JSON.stringify({ version: VERSION, ...marker, sizeBytes: Number(marker.sizeBytes) });
}

/** The marker of an image that was never completed, and is to be removed: it is no volume's, whatever its name. */
export const DISCARDED = writeMarker({ image: '', name: '', sizeBytes: 0n, depth: 0, retention: 0 });

function readSource(value: unknown): VolumeSource | undefined {
  if (!isObject(value)) return undefined;
  const { type, snapshotId, volumeId } = value;
  if (type === 'snapshot' && typeof snapshotId === 'string') return { type, snapshotId };
  if (type === 'volume' && typeof volumeId === 'string') return { type, volumeId };
  return undefined;
}

/** The marker, or undefined where the text is none. */
export function readMarker(text: string | undefined): Marker | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { version, image, name, sizeBytes, depth, retention } = value;
  if (version !== VERSION || typeof image !== 'string' || typeof name !== 'string') return undefined;
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes)) return undefined;
  const source = readSource(value['source']);
  return {
    image,
    name,
    ...(source === undefined ? {} : { source }),
    sizeBytes: BigInt(sizeBytes),
    depth: typeof depth === 'number' ? depth : 0,
    retention: typeof retention === 'number' ? retention : 0,
  };
}

const TOMBSTONE = 'csi-deleted-';

/** What a deleted volume is called while it has snapshots from which volumes can still be restored. */
export function tombstoneName(imageId: string, name: string): string {
  return `${TOMBSTONE}${imageId}-${name}`;
}

/** Whether a name is that of a tombstone, as far as the name alone can tell. */
export function mayBeTombstone(name: string): boolean {
  return name.startsWith(TOMBSTONE);
}

/** The name that an image had as a volume, whether or not it is a tombstone now. */
export function volumeNameOf(image: { readonly name: string; readonly imageId: string }): string {
  const prefix = tombstoneName(image.imageId, '');
  return image.name.startsWith(prefix) ? image.name.slice(prefix.length) : image.name;
}

export function isTombstone(image: { readonly name: string; readonly imageId: string }): boolean {
  return volumeNameOf(image) !== image.name;
}

const TEMPORARY = 'csi-clone-';

/** The snapshot of the source that a volume is cloned from, named after the image to be. */
export function temporarySnapshotName(image: string): string {
  return `${TEMPORARY}${image}`;
}

export function isTemporarySnapshot(name: string): boolean {
  return name.startsWith(TEMPORARY);
}
