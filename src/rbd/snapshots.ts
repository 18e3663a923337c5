import { readOmapValue, removeOmapKey, writeOmapValue } from '../ceph/rados-object.ts';
import { readImageById, type ImageInfo } from '../ceph/rbd-image.ts';
import type { CephSession, ImageIdRef, ImageRef } from '../ceph/rbd-session.ts';
import { createSnapshot, listSnapshots, removeSnapshot, type SnapshotInfo } from '../ceph/rbd-snapshot.ts';
import { DriverError } from '../model/errors.ts';
import type { Snapshot } from '../model/volume.ts';
import type { Flattener } from './upkeep/flattener.ts';
import { inspectImage, requireVolume, type OnTrashed } from './image-state.ts';
import type { RbdLimits } from './limits.ts';
import { isTombstone, volumeNameOf } from './marker.ts';
import {
  encodeGroupPlace,
  encodeSnapshotPlace,
  encodeVolumePlace,
  type SnapshotPlace,
  type VolumePlace,
} from './places.ts';
import { isUserSnapshot } from './snapshot-kind.ts';
import { requireSnapshotRoom } from './snapshot-room.ts';
import { dropTombstone } from './volume-deletion.ts';

/**
 * The object of a pool whose omap tells which image has the snapshot of a name: CreateSnapshot has to refuse a name
 * that another volume's snapshot has. What it says is verified at the image, so losing it loses nothing.
 */
const INDEX = 'csi-driver-ceph.snapshots';

export function snapshotOf(
  clusterId: string,
  ref: ImageRef,
  image: ImageInfo,
  snapshot: SnapshotInfo,
): Snapshot {
  const source = { ...ref, image: volumeNameOf(image) };
  return {
    snapshotId: encodeSnapshotPlace(clusterId, { ...ref, imageId: image.imageId }, snapshot.number),
    sourceVolumeId: encodeVolumePlace(clusterId, source),
    sizeBytes: snapshot.sizeBytes,
    createdAt: snapshot.createdAt,
    readyToUse: true,
    ...(snapshot.group === undefined
      ? {}
      : { groupSnapshotId: encodeGroupPlace(clusterId, { ...ref, ...snapshot.group }) }),
  };
}

/** @throws DriverError `already-exists` when a snapshot of another volume has the name. */
async function claimName(
  session: CephSession,
  image: VolumePlace,
  imageId: string,
  name: string,
  holder: string | undefined,
): Promise<void> {
  if (holder === imageId) return;
  if (holder !== undefined) {
    const theirs = await listSnapshots(session, { ...image, imageId: holder });
    if (theirs?.some(snapshot => isUserSnapshot(snapshot) && snapshot.name === name) === true) {
      throw new DriverError('already-exists', `name: there is a snapshot "${name}" of another volume`);
    }
  }
  await writeOmapValue(session, image, INDEX, name, imageId);
}

export interface SnapshotTools {
  readonly flattener: Flattener;
  readonly limits: RbdLimits;
}

/** The snapshot of that name of the volume, made now or before. */
export async function ensureSnapshot(
  session: CephSession,
  place: VolumePlace,
  name: string,
  { flattener, limits }: SnapshotTools,
): Promise<Snapshot> {
  const [{ info }, holder] = await Promise.all([
    requireVolume(session, place, 'source_volume_id'),
    readOmapValue(session, place, INDEX, name),
  ]);
  const image = { ...place, imageId: info.imageId };
  if (holder !== info.imageId) await requireSnapshotRoom(session, place, info, flattener, limits);
  await claimName(session, place, info.imageId, name, holder);
  await flattener.whileUnflattened(session, place, () => createSnapshot(session, place, name));
  const found = (await listSnapshots(session, image))?.find(snapshot => snapshot.name === name);
  if (found !== undefined) return snapshotOf(place.clusterId, place, info, found);
  throw new DriverError('aborted', `name: snapshot "${name}" was deleted while it was made`);
}

/** Removes a snapshot; the image with it when that is a deleted volume, and this was the last one. */
export async function deleteSnapshot(
  session: CephSession,
  place: SnapshotPlace,
  onTrashed: OnTrashed,
): Promise<void> {
  const snapshots = await listSnapshots(session, place);
  if (snapshots === undefined) return;
  const found = snapshots.find(snapshot => snapshot.number === place.snapshotNumber);
  if (found?.group !== undefined) {
    throw new DriverError(
      'failed-precondition',
      `snapshot_id: it is part of group snapshot "${found.group.group}", and only goes with that`,
    );
  }
  if (found?.kind === 'user') {
    await removeSnapshot(session, place, { number: found.number });
    await removeOmapKey(session, place, INDEX, found.name);
  }
  // Only now: DeleteVolume may have made it a tombstone meanwhile.
  await dropIfTombstone(session, place, onTrashed);
}

/** Removes an image that is a deleted volume, if that was its last snapshot. */
export async function dropIfTombstone(
  session: CephSession,
  place: ImageIdRef,
  onTrashed: OnTrashed,
): Promise<void> {
  const info = await readImageById(session, place);
  if (info === undefined || !isTombstone(info)) return;
  const ref = { ...place, image: info.name };
  const state = await inspectImage(session, ref);
  if (state.kind === 'volume') await dropTombstone(session, ref, state, onTrashed);
}

/** @throws DriverError `not-found` */
export async function readSnapshot(session: CephSession, place: SnapshotPlace): Promise<Snapshot> {
  const [info, snapshots] = await Promise.all([readImageById(session, place), listSnapshots(session, place)]);
  const found = snapshots?.find(snapshot => snapshot.number === place.snapshotNumber);
  if (info === undefined || found === undefined || !isUserSnapshot(found)) {
    throw new DriverError('not-found', `snapshot_id: there is no such snapshot in ${place.pool}`);
  }
  return snapshotOf(place.clusterId, { ...place, image: info.name }, info, found);
}
