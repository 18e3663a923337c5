import {
  createSubvolume,
  printPlace,
  readSubvolume,
  requireSubvolume,
  resizeSubvolume,
  type ReadySubvolume,
} from '../ceph/fs-subvolume.ts';
import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { readSnapshot } from '../ceph/fs-snapshot.ts';
import { chooseSize, fitsRange, MIB } from '../model/bytes.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import {
  decodeSnapshotHandle,
  decodeVolumeHandle,
  encodeVolumeHandle,
  type CephfsVolumeHandle,
} from '../model/handle.ts';
import type { Volume, VolumeSource, VolumeSpec } from '../model/volume.ts';
import { requireSupported } from './capabilities.ts';
import { awaitCopy, beginCopy, finishCopy, type CopySource } from './copying.ts';
import { openCluster, type Environment } from './environment.ts';
import { chooseSubvolumeName } from './names.ts';
import { parseVolumeParameters, type VolumeParameters } from './parameters.ts';
import { writeVolumeContext } from './volume-context.ts';

/** Kernel clients count a quota's blocks in 4 MiB. */
export const SIZE_UNIT = 4n * MIB;

/** Where the volume of a request is, from the request alone. @throws DriverError `invalid-argument` */
export function locateVolume(spec: VolumeSpec, environment: Environment): CephfsVolumeHandle {
  const parameters = parseVolumeParameters(spec.parameters);
  const { clusterId, fsName, volumeNamePrefix } = parameters;
  const home = { clusterId, fsName, group: environment.clusters.find(clusterId).cephfs.subvolumeGroup };
  return {
    backend: 'cephfs',
    ...home,
    subvolume: chooseSubvolumeName(home, volumeNamePrefix, spec.name),
  };
}

/** One creation at work. */
interface Creation {
  readonly spec: VolumeSpec;
  readonly parameters: VolumeParameters;
  readonly target: CephfsVolumeHandle;
  readonly access: ClusterAccess;
}

function conflict(target: CephfsVolumeHandle, why: string): DriverError {
  return new DriverError('already-exists', `name: ${printPlace(target)} exists already, and ${why}`);
}

function requireFit({ spec, target }: Creation, subvolume: ReadySubvolume): bigint {
  const { quotaBytes } = subvolume;
  if (quotaBytes !== undefined && fitsRange(quotaBytes, spec.capacity)) return quotaBytes;
  const { requiredBytes, limitBytes } = spec.capacity;
  throw conflict(
    target,
    `its size is ${String(quotaBytes ?? 'unlimited')} bytes; required_bytes is ${String(requiredBytes ?? 0n)}, ` +
      `limit_bytes ${String(limitBytes ?? 'none')}`,
  );
}

async function createEmpty(creation: Creation): Promise<ReadySubvolume> {
  const { spec, parameters, target, access } = creation;
  const present = await readSubvolume(target, access);
  if (present.state === 'unfinished') throw conflict(target, 'is being made as a copy of something');
  if (present.state === 'ready') {
    if (present.isClone) throw conflict(target, 'was made as a copy of something');
    return present;
  }
  const sizeBytes = chooseSize(spec.capacity, SIZE_UNIT);
  const pool = parameters.pool === undefined ? {} : { pool: parameters.pool };
  await createSubvolume({ ...target, ...pool, sizeBytes }, access);
  return await requireSubvolume(target, 'name', access);
}

type LocatedSource = CopySource & { readonly place: { readonly clusterId: string } };

function decodeSource(source: VolumeSource): LocatedSource | undefined {
  if (source.type === 'snapshot') {
    const place = decodeSnapshotHandle(source.snapshotId);
    return place?.backend === 'cephfs' ? { type: 'snapshot', place } : undefined;
  }
  const place = decodeVolumeHandle(source.volumeId);
  return place?.backend === 'cephfs' ? { type: 'volume', place } : undefined;
}

/** @throws DriverError `not-found` for a source that this driver did not make, `invalid-argument` elsewhere. */
function locateSource(source: VolumeSource, target: CephfsVolumeHandle): CopySource {
  const found = decodeSource(source);
  const id = source.type === 'snapshot' ? source.snapshotId : source.volumeId;
  if (found === undefined) {
    throw new DriverError('not-found', `volume_content_source: there is no ${source.type} "${id}"`);
  }
  const { clusterId, fsName } = found.place;
  if (clusterId !== target.clusterId || fsName !== target.fsName) {
    throw new DriverError(
      'invalid-argument',
      `volume_content_source: "${id}" is in file system ${clusterId}/${fsName}, and the volume would ` +
        `be in ${target.clusterId}/${target.fsName}; Ceph copies within one file system only`,
    );
  }
  return found;
}

/** Makes sure, before anything is copied, that the source is there and that its data may fit. */
async function checkSource(source: CopySource, { spec, access }: Creation): Promise<void> {
  const subvolume =
    source.type === 'volume'
      ? await requireSubvolume(source.place, 'volume_content_source', access)
      : await readSubvolume(source.place, access);
  if (source.type === 'snapshot' && (await readSnapshot(source.place, access)) === undefined) {
    throw new DriverError(
      'not-found',
      `volume_content_source: there is no snapshot ${source.place.snapshot} of ${printPlace(source.place)}`,
    );
  }
  const { limitBytes } = spec.capacity;
  const quota = subvolume.state === 'ready' ? subvolume.quotaBytes : undefined;
  if (limitBytes !== undefined && quota !== undefined && limitBytes < quota) {
    throw new DriverError(
      'out-of-range',
      `capacity_range: limit_bytes ${String(limitBytes)} is below the size of the source, ${String(quota)} bytes`,
    );
  }
}

/** A copy has its source's quota, and grows to what was asked. It never shrinks. */
async function fitCopy(creation: Creation, copy: ReadySubvolume): Promise<ReadySubvolume> {
  const { spec, target, access } = creation;
  const { requiredBytes } = spec.capacity;
  if (requiredBytes === undefined || copy.quotaBytes === undefined || copy.quotaBytes >= requiredBytes) {
    return copy;
  }
  const quotaBytes = chooseSize(spec.capacity, SIZE_UNIT);
  await resizeSubvolume(target, quotaBytes, access);
  return { ...copy, quotaBytes };
}

async function createCopy(creation: Creation, wanted: VolumeSource): Promise<ReadySubvolume> {
  const { parameters, target, access } = creation;
  const source = locateSource(wanted, target);
  const present = await readSubvolume(target, access);
  if (present.state === 'ready' && !present.isClone) throw conflict(target, 'is not a copy of anything');
  if (present.state === 'absent' || present.state === 'retained') {
    await checkSource(source, creation);
    const pool = parameters.pool === undefined ? {} : { pool: parameters.pool };
    await beginCopy({ source, target, ...pool }, access);
  }
  if (present.state !== 'ready') await awaitCopy(target, access);
  const copy = present.state === 'ready' ? present : await requireSubvolume(target, 'name', access);
  const fitted = await fitCopy(creation, copy);
  await finishCopy(source, target, access);
  return fitted;
}

/**
 * Makes a volume: a subvolume named after the request, empty or a copy of a snapshot or volume.
 * @throws DriverError `already-exists` when there is another one by this name, `aborted` while a copy goes on.
 */
export async function createVolume(
  spec: VolumeSpec,
  environment: Environment,
  context: Context,
): Promise<Volume> {
  const parameters = parseVolumeParameters(spec.parameters);
  const target = locateVolume(spec, environment);
  const cluster = environment.clusters.find(target.clusterId);
  const access = openCluster(cluster, spec.secrets, environment, context);
  requireSupported(spec.capabilities);
  if (parameters.ignored.length > 0) {
    context.log.warn({ parameters: parameters.ignored }, 'StorageClass parameters that do nothing here');
  }
  const creation: Creation = { spec, parameters, target, access };
  const subvolume =
    spec.source === undefined ? await createEmpty(creation) : await createCopy(creation, spec.source);
  return {
    volumeId: encodeVolumeHandle(target),
    capacityBytes: requireFit(creation, subvolume),
    context: writeVolumeContext(spec.parameters, subvolume.path),
    ...(spec.source === undefined ? {} : { source: spec.source }),
  };
}
