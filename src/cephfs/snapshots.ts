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
import { encodeCephfsGroupHandle } from '../model/group-handle.ts';
import type { Snapshot, SnapshotSpec } from '../model/volume.ts';
import { openCluster, type Environment } from './environment.ts';
import { groupOf, isUnfinishedPart, refusePart } from './group-record.ts';
import { parseSnapshotParameters } from './parameters.ts';
import { chooseSnapshotName } from './names.ts';
import {
  announceRemoval,
  claimSnapshotName,
  releaseSnapshotName,
  withdrawRemoval,
} from './snapshot-index.ts';
import { listViews, refuseView } from './snapshot-view.ts';
import { requireHandle } from './volume-changes.ts';

function describeSnapshot(place: CephfsSnapshotHandle, createdAt: Date, sizeBytes: bigint): Snapshot {
  const group = groupOf(place);
  return {
    snapshotId: encodeSnapshotHandle(place),
    sourceVolumeId: encodeVolumeHandle(place),
    sizeBytes,
    createdAt,
    readyToUse: true,
    ...(group === undefined ? {} : { groupSnapshotId: encodeCephfsGroupHandle(group) }),
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

/**
 * Without the capability for the index, snapshots are made and removed all the same; views of them are not made then,
 * so that none has to be looked for.
 */
async function useIndex(work: Promise<void>, lacking: string, { log }: Context): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isErrorOfKind(error, 'permission-denied')) throw error;
    log.warn({ err: error }, `no access to the index of snapshot names: ${lacking}`);
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
  refuseView(place, 'source_volume_id', 'has no snapshots of its own');
  encodeSnapshotHandle(place);
  const cluster = environment.clusters.find(place.clusterId);
  const access = openCluster(cluster, spec.secrets, environment, context);
  const source = await requireSubvolume(place, 'source_volume_id', access);
  await useIndex(
    claimSnapshotName(place, spec.name, access, environment),
    'the same name on another volume is not refused',
    context,
  );
  await ensureSnapshot(place, access);
  const snapshot = await readSnapshot(place, access);
  if (snapshot === undefined) {
    throw new DriverError('aborted', `snapshot ${printSnapshotPlace(place)} was removed by somebody else`);
  }
  return describeSnapshot(place, snapshot.createdAt, source.quotaBytes ?? 0n);
}

/** @throws DriverError `failed-precondition` while it is being copied, or a view of it is there. */
async function removeUnused(place: CephfsSnapshotHandle, access: ClusterAccess): Promise<void> {
  const views = await listViews(place, access);
  if (views.length > 0) {
    const names = `${views.slice(0, 5).join(', ')}${views.length > 5 ? '…' : ''}`;
    throw new DriverError(
      'failed-precondition',
      `snapshot_id: ${printSnapshotPlace(place)} is shown by the read-only volumes ${names} (${views.length}); ` +
        'delete them first',
    );
  }
  if ((await removeSnapshot(place, access)) === 'busy') {
    throw new DriverError(
      'failed-precondition',
      `snapshot_id: ${printSnapshotPlace(place)} is being copied to a new volume; repeat the call afterwards`,
    );
  }
}

/** Removes a snapshot that is there. @throws DriverError `failed-precondition` while it is used. */
export async function removeAnnounced(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  const lacking = 'a view that is made at this moment is not seen';
  await useIndex(announceRemoval(place, access, environment), lacking, access.context);
  try {
    await removeUnused(place, access);
  } catch (error) {
    // Left behind, it keeps views from being made until the deletion is repeated.
    await withdrawRemoval(place, access, environment).catch(() => undefined);
    throw error;
  }
}

/**
 * Removes a snapshot, and with the last one the subvolume of a volume that is deleted.
 * @throws DriverError `failed-precondition` while it is being copied, or a view of it is there, or it is part of a
 *   group snapshot.
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
  await refusePart(place, access);
  if ((await readSnapshot(place, access)) !== undefined) await removeAnnounced(place, access, environment);
  await releaseSnapshotName(place, access, environment);
}

/** A snapshot by its place, or undefined when it is gone, or part of a group snapshot that was never complete. */
export async function findSnapshot(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
): Promise<Snapshot | undefined> {
  return (await isUnfinishedPart(place, access)) ? undefined : await findPresent(place, access);
}

/** What there is by a snapshot's place. */
export async function findPresent(
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
