import { readSnapshot, type SnapshotPlace, printSnapshotPlace } from '../ceph/fs-snapshot.ts';
import { printPlace, readSubvolume, requireSubvolume } from '../ceph/fs-subvolume.ts';
import { DriverError } from '../model/errors.ts';
import {
  decodeSnapshotHandle,
  decodeVolumeHandle,
  type CephfsSnapshotHandle,
  type CephfsVolumeHandle,
} from '../model/handle.ts';
import type { VolumeSource } from '../model/volume.ts';
import type { Creation } from './creation.ts';
import { isView } from './names.ts';

/** What a volume is made of: the decoded `volume_content_source`. */
export type Source =
  | { readonly type: 'snapshot'; readonly place: CephfsSnapshotHandle }
  | { readonly type: 'volume'; readonly place: CephfsVolumeHandle };

const FIELD = 'volume_content_source';

/** A source as messages, and the metadata of copies, name it. */
export function printSource({ type, place }: Source): string {
  return type === 'snapshot' ? printSnapshotPlace(place) : printPlace(place);
}

function decodeSource(source: VolumeSource): Source | undefined {
  if (source.type === 'snapshot') {
    const place = decodeSnapshotHandle(source.snapshotId);
    return place?.backend === 'cephfs' ? { type: 'snapshot', place } : undefined;
  }
  const place = decodeVolumeHandle(source.volumeId);
  return place?.backend === 'cephfs' ? { type: 'volume', place } : undefined;
}

/**
 * The source that a request names, for a volume in `home`.
 * @throws DriverError `not-found` for one that this driver did not make, `invalid-argument` for one elsewhere, or
 *   for a view of a snapshot.
 */
export function locateSource(
  source: VolumeSource,
  home: Pick<CephfsVolumeHandle, 'clusterId' | 'fsName'>,
): Source {
  const found = decodeSource(source);
  const id = source.type === 'snapshot' ? source.snapshotId : source.volumeId;
  if (found === undefined) throw new DriverError('not-found', `${FIELD}: there is no ${source.type} "${id}"`);
  const { clusterId, fsName, subvolume } = found.place;
  if (clusterId !== home.clusterId || fsName !== home.fsName) {
    throw new DriverError(
      'invalid-argument',
      `${FIELD}: "${id}" is in file system ${clusterId}/${fsName}, and the volume would ` +
        `be in ${home.clusterId}/${home.fsName}; Ceph copies within one file system only`,
    );
  }
  if (isView(subvolume)) {
    throw new DriverError(
      'invalid-argument',
      `${FIELD}: "${id}" is a view of a snapshot; give the snapshot itself`,
    );
  }
  return found;
}

/** @throws DriverError `not-found` for a snapshot that is gone. */
export async function requireSnapshot(place: SnapshotPlace, { access }: Creation): Promise<void> {
  if ((await readSnapshot(place, access)) !== undefined) return;
  throw new DriverError(
    'not-found',
    `${FIELD}: there is no snapshot ${place.snapshot} of ${printPlace(place)}`,
  );
}

/** Makes sure, before anything is copied, that the source is there and that its data may fit. */
export async function checkSource(source: Source, creation: Creation): Promise<void> {
  const { spec, access } = creation;
  const subvolume =
    source.type === 'volume'
      ? await requireSubvolume(source.place, FIELD, access)
      : await readSubvolume(source.place, access);
  if (source.type === 'snapshot') await requireSnapshot(source.place, creation);
  const { limitBytes } = spec.capacity;
  const quota = subvolume.state === 'ready' ? subvolume.quotaBytes : undefined;
  if (limitBytes !== undefined && quota !== undefined && limitBytes < quota) {
    throw new DriverError(
      'out-of-range',
      `capacity_range: limit_bytes ${String(limitBytes)} is below the size of the source, ${String(quota)} bytes`,
    );
  }
}
