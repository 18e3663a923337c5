import type { GroupRef } from '../ceph/rbd-group.ts';
import type { ImageIdRef, ImageRef, PoolRef } from '../ceph/rbd-session.ts';
import { DriverError } from '../model/errors.ts';
import { decodeGroupHandle, encodeGroupHandle } from '../model/group-handle.ts';
import {
  decodeSnapshotHandle,
  decodeVolumeHandle,
  encodeSnapshotHandle,
  encodeVolumeHandle,
} from '../model/handle.ts';

/** The image of a volume, and the cluster that it is in. */
export interface VolumePlace extends ImageRef {
  readonly clusterId: string;
}

export interface SnapshotPlace extends ImageIdRef {
  readonly clusterId: string;
  readonly snapshotNumber: bigint;
}

/** The group whose snapshot a group snapshot is. */
export interface GroupPlace extends GroupRef {
  readonly clusterId: string;
}

/** What a pool, a namespace or an image of this driver's can be called: no part of an `rbd` image spec's syntax. */
const NAME = /^[A-Za-z0-9._][A-Za-z0-9._ -]*$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

function poolOf(handle: PoolRef): PoolRef {
  const { pool, namespace } = handle;
  return { pool, ...(namespace === undefined ? {} : { namespace }) };
}

/** Where a `volume_id` says that the volume is, or undefined for an id that this driver never gave. */
export function decodeVolumePlace(volumeId: string): VolumePlace | undefined {
  const handle = decodeVolumeHandle(volumeId);
  if (handle?.backend !== 'rbd') return undefined;
  const { clusterId, pool, namespace, image } = handle;
  if (![pool, namespace ?? pool, image].every(isName)) return undefined;
  return { clusterId, ...poolOf(handle), image };
}

/** As `decodeVolumePlace`. @throws DriverError `not-found` */
export function requireVolumePlace(volumeId: string, field = 'volume_id'): VolumePlace {
  const place = decodeVolumePlace(volumeId);
  if (place !== undefined) return place;
  throw new DriverError('not-found', `${field}: "${volumeId}" is no volume of this driver`);
}

export function encodeVolumePlace(clusterId: string, ref: ImageRef): string {
  return encodeVolumeHandle({ backend: 'rbd', clusterId, ...poolOf(ref), image: ref.image });
}

/** Where a `snapshot_id` says that the snapshot is, or undefined for an id that this driver never gave. */
export function decodeSnapshotPlace(snapshotId: string): SnapshotPlace | undefined {
  const handle = decodeSnapshotHandle(snapshotId);
  if (handle?.backend !== 'rbd') return undefined;
  const { clusterId, pool, namespace, imageId, snapshotNumber } = handle;
  if (![pool, namespace ?? pool, imageId].every(isName)) return undefined;
  return { clusterId, ...poolOf(handle), imageId, snapshotNumber };
}

/** As `decodeSnapshotPlace`. @throws DriverError `not-found` */
export function requireSnapshotPlace(snapshotId: string, field = 'snapshot_id'): SnapshotPlace {
  const place = decodeSnapshotPlace(snapshotId);
  if (place !== undefined) return place;
  throw new DriverError('not-found', `${field}: "${snapshotId}" is no snapshot of this driver`);
}

export function encodeSnapshotPlace(clusterId: string, ref: ImageIdRef, snapshotNumber: bigint): string {
  return encodeSnapshotHandle({
    backend: 'rbd',
    clusterId,
    ...poolOf(ref),
    imageId: ref.imageId,
    snapshotNumber,
  });
}

/** Where a `group_snapshot_id` says that the group is, or undefined for an id that this driver never gave. */
export function decodeGroupPlace(groupSnapshotId: string): GroupPlace | undefined {
  const handle = decodeGroupHandle(groupSnapshotId);
  if (handle === undefined) return undefined;
  const { pool, namespace, group } = handle;
  return [pool, namespace ?? pool, group].every(isName) ? handle : undefined;
}

export function encodeGroupPlace(clusterId: string, ref: GroupRef): string {
  return encodeGroupHandle({ clusterId, ...poolOf(ref), group: ref.group });
}
