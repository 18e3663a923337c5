import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { listSnapshots, removeSnapshot } from '../ceph/fs-snapshot.ts';
import { removeSubvolume, requireSubvolume, resizeSubvolume } from '../ceph/fs-subvolume.ts';
import { chooseSize } from '../model/bytes.ts';
import type { Context } from '../model/call.ts';
import type {
  ExpandRequest,
  ExpandResult,
  ModifyRequest,
  ValidateRequest,
  VolumeReference,
} from '../model/controller-backend.ts';
import { DriverError } from '../model/errors.ts';
import { decodeVolumeHandle, type CephfsVolumeHandle } from '../model/handle.ts';
import { describeUnsupported, describeWriter, isReaderOnly } from './capabilities.ts';
import { isTemporarySnapshot, removeUnfinished } from './copying.ts';
import { openCluster, type Environment } from './environment.ts';
import { SIZE_UNIT } from './creation.ts';
import { isUnfinishedPart } from './group-record.ts';
import { isView } from './names.ts';
import { applyPins, parsePins } from './pins.ts';
import { refuseView } from './snapshot-view.ts';

/** @throws DriverError `not-found` for a volume ID that this driver did not write. */
export function requireHandle(volumeId: string, field: string): CephfsVolumeHandle {
  const handle = decodeVolumeHandle(volumeId);
  if (handle?.backend === 'cephfs') return handle;
  throw new DriverError('not-found', `${field}: "${volumeId}" is no CephFS volume of this driver`);
}

function openVolume(
  handle: CephfsVolumeHandle,
  volume: VolumeReference,
  environment: Environment,
  context: Context,
): ClusterAccess {
  return openCluster(environment.clusters.find(handle.clusterId), volume.secrets, environment, context);
}

/**
 * Snapshots of interrupted clones whose copy is complete, and of interrupted attempts at group snapshots. One still in
 * use stays.
 */
async function removeLeftovers(handle: CephfsVolumeHandle, access: ClusterAccess): Promise<void> {
  for (const snapshot of await listSnapshots(handle, access)) {
    const place = { ...handle, snapshot };
    if (isTemporarySnapshot(snapshot) || (await isUnfinishedPart(place, access))) {
      await removeSnapshot(place, access);
    }
  }
}

/**
 * Deletes a volume. Its snapshots stay, and can be restored; with the last of them the subvolume goes.
 * @throws DriverError `aborted` while a copy to it is being stopped.
 */
export async function deleteVolume(
  volume: VolumeReference,
  environment: Environment,
  context: Context,
): Promise<void> {
  const handle = decodeVolumeHandle(volume.volumeId);
  if (handle?.backend !== 'cephfs') return;
  const access = openVolume(handle, volume, environment, context);
  switch (await removeSubvolume(handle, {}, access)) {
    case 'gone':
      return;
    case 'has-snapshots':
      await removeLeftovers(handle, access);
      await removeSubvolume(handle, { retainSnapshots: true }, access);
      return;
    case 'unfinished':
      await removeUnfinished(handle, access);
      return;
  }
}

/**
 * Raises the quota, at once and for all nodes. A size that the volume has already is a success.
 * @throws DriverError `not-found`, `out-of-range` when the volume is above the limit.
 */
export async function expandVolume(
  request: ExpandRequest,
  environment: Environment,
  context: Context,
): Promise<ExpandResult> {
  const handle = requireHandle(request.volumeId, 'volume_id');
  refuseView(handle, 'volume_id', 'has no size that could grow');
  const access = openVolume(handle, request, environment, context);
  const { quotaBytes } = await requireSubvolume(handle, 'volume_id', access);
  const size = chooseSize(request.capacity, SIZE_UNIT);
  const { limitBytes } = request.capacity;
  if (quotaBytes !== undefined && quotaBytes >= (request.capacity.requiredBytes ?? 0n)) {
    if (limitBytes !== undefined && quotaBytes > limitBytes) {
      throw new DriverError(
        'out-of-range',
        `capacity_range: limit_bytes ${String(limitBytes)} is below the volume's size of ` +
          `${String(quotaBytes)} bytes, and volumes do not shrink`,
      );
    }
    return { capacityBytes: quotaBytes, nodeExpansionRequired: false };
  }
  await resizeSubvolume(handle, size, access);
  return { capacityBytes: size, nodeExpansionRequired: false };
}

/** Sets the pins that the request names. @throws DriverError `not-found` */
export async function modifyVolume(
  request: ModifyRequest,
  environment: Environment,
  context: Context,
): Promise<void> {
  const pins = parsePins(request.mutableParameters);
  const handle = requireHandle(request.volumeId, 'volume_id');
  if (pins.length > 0) refuseView(handle, 'mutable_parameters', 'has none');
  const access = openVolume(handle, request, environment, context);
  await requireSubvolume(handle, 'volume_id', access);
  await applyPins(handle, pins, access);
}

/** Why a volume cannot be used as asked, or undefined when it can. @throws DriverError `not-found` */
export async function validateVolume(
  request: ValidateRequest,
  environment: Environment,
  context: Context,
): Promise<string | undefined> {
  const handle = requireHandle(request.volumeId, 'volume_id');
  const access = openVolume(handle, request, environment, context);
  await requireSubvolume(handle, 'volume_id', access);
  const writer = request.capabilities.find(({ mode }) => !isReaderOnly(mode));
  if (writer !== undefined && isView(handle.subvolume)) return describeWriter(writer);
  return describeUnsupported(request.capabilities);
}
