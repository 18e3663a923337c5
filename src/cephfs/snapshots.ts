import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { ensureSnapshot, printSnapshotPlace, readSnapshot, removeSnapshot } from '../ceph/fs-snapshot.ts';
import { readSubvolume, requireSubvolume } from '../ceph/fs-subvolume.ts';
import type { Context } from '../model/call.ts';
import type { SnapshotReference } from '../model/controller-backend.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import {
  decodeSnapshotHandle,
  encodeSnapshotHandle,
  encodeVolumeHandle,
  type CephfsSnapshotHandle,
} from '../model/handle.ts';
import type { Snapshot, SnapshotSpec } from '../model/volume.ts';
import { openCluster, type Environment } from './environment.ts';
import { parseSnapshotParameters } from './parameters.ts';
import { chooseSnapshotName } from './names.ts';
import { claimSnapshotName, releaseSnapshotName } from './snapshot-index.ts';
import { requireHandle } from './volume-changes.ts';

function describeSnapshot(place: CephfsSnapshotHandle, createdAt: Date, sizeBytes: bigint): Snapshot {
  return {
    snapshotId: encodeSnapshotHandle(place),
    sourceVolumeId: encodeVolumeHandle(place),
    sizeBytes,
    createdAt,
    readyToUse: true,
  };
}

function locateSnapshot(spec: SnapshotSpec): CephfsSnapshotHandle {
  const parameters = parseSnapshotParameters(spec.parameters);
  const source = requireHandle(spec.sourceVolumeId, 'source_volume_id');
  const { clusterId } = source;
  if (parameters.clusterId !== undefined && parameters.clusterId !== clusterId) {
    throw new DriverError(
      'invalid-argument',
      `parameters: clusterID: "${parameters.clusterId}" is not the source's cluster, "${clusterId}"`,
    );
  }
  return { ...source, snapshot: chooseSnapshotName(source, parameters.snapshotNamePrefix, spec.name) };
}

/** Without the capability for the index, snapshots are made all the same. */
async function claimName(
  place: CephfsSnapshotHandle,
  requestName: string,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  try {
    await claimSnapshotName(place, requestName, access, environment);
  } catch (error) {
    if (!isErrorOfKind(error, 'permission-denied')) throw error;
    access.context.log.warn(
      { err: error },
      'no access to the index of snapshot names: the same name on another volume is not refused',
    );
  }
}

/**
 * Takes a snapshot of a volume; it is complete when the call answers.
 * @throws DriverError `already-exists` for the same name on another source, `not-found` for a source that is gone.
 */
export async function createSnapshot(
  spec: SnapshotSpec,
  environment: Environment,
  context: Context,
): Promise<Snapshot> {
  const place = locateSnapshot(spec);
  encodeSnapshotHandle(place);
  const cluster = environment.clusters.find(place.clusterId);
  const access = openCluster(cluster, spec.secrets, environment, context);
  const source = await requireSubvolume(place, 'source_volume_id', access);
  await claimName(place, spec.name, access, environment);
  await ensureSnapshot(place, access);
  const snapshot = await readSnapshot(place, access);
  if (snapshot === undefined) {
    throw new DriverError('aborted', `snapshot ${printSnapshotPlace(place)} was removed by somebody else`);
  }
  return describeSnapshot(place, snapshot.createdAt, source.quotaBytes ?? 0n);
}

/**
 * Removes a snapshot, and with the last one the subvolume of a volume that is deleted.
 * @throws DriverError `failed-precondition` while it is being copied.
 */
export async function deleteSnapshot(
  reference: SnapshotReference,
  environment: Environment,
  context: Context,
): Promise<void> {
  const place = decodeSnapshotHandle(reference.snapshotId);
  if (place?.backend !== 'cephfs') return;
  const cluster = environment.clusters.find(place.clusterId);
  const access = openCluster(cluster, reference.secrets, environment, context);
  if ((await removeSnapshot(place, access)) === 'busy') {
    throw new DriverError(
      'failed-precondition',
      `snapshot_id: ${printSnapshotPlace(place)} is being copied to a new volume; repeat the call afterwards`,
    );
  }
  await releaseSnapshotName(place, access, environment);
}

/** A snapshot by its place, or undefined when it is gone. */
export async function findSnapshot(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
): Promise<Snapshot | undefined> {
  const snapshot = await readSnapshot(place, access);
  if (snapshot === undefined) return undefined;
  const source = await readSubvolume(place, access);
  // CSI: 0 is "not known", as for a volume that is deleted.
  const sizeBytes = source.state === 'ready' ? (source.quotaBytes ?? 0n) : 0n;
  return describeSnapshot(place, snapshot.createdAt, sizeBytes);
}

/** @throws DriverError `not-found` */
export async function getSnapshot(
  reference: SnapshotReference,
  environment: Environment,
  context: Context,
): Promise<Snapshot> {
  const { snapshotId, secrets } = reference;
  const place = decodeSnapshotHandle(snapshotId);
  if (place?.backend === 'cephfs') {
    const cluster = environment.clusters.find(place.clusterId);
    const found = await findSnapshot(place, openCluster(cluster, secrets, environment, context));
    if (found !== undefined) return found;
  }
  throw new DriverError('not-found', `snapshot_id: there is no snapshot "${snapshotId}"`);
}
