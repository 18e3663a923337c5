import {
  createSubvolume,
  readSubvolume,
  requireSubvolume,
  type ReadySubvolume,
} from '../ceph/fs-subvolume.ts';
import { chooseSize, fitsRange } from '../model/bytes.ts';
import type { Context } from '../model/call.ts';
import { encodeVolumeHandle, type CephfsVolumeHandle } from '../model/handle.ts';
import type { Volume, VolumeSpec } from '../model/volume.ts';
import { requireSupported } from './capabilities.ts';
import { conflict, poolOf, SIZE_UNIT, type Creation } from './creation.ts';
import { openCluster, type Environment } from './environment.ts';
import { chooseSubvolumeName } from './names.ts';
import { parseVolumeParameters, type VolumeParameters } from './parameters.ts';
import { applyPins, parsePins } from './pins.ts';
import { createView, locateView } from './snapshot-view.ts';
import { writeVolumeContext } from './volume-context.ts';
import { createCopy } from './volume-copy.ts';
import { locateSource } from './volume-source.ts';

function locate(
  spec: VolumeSpec,
  parameters: VolumeParameters,
  environment: Environment,
): CephfsVolumeHandle {
  if (parameters.backingSnapshot) return locateView(spec, parameters);
  const { clusterId, fsName, volumeNamePrefix } = parameters;
  const home = { clusterId, fsName, group: environment.clusters.find(clusterId).cephfs.subvolumeGroup };
  return { backend: 'cephfs', ...home, subvolume: chooseSubvolumeName(home, volumeNamePrefix, spec.name) };
}

/** Where the volume of a request is, from the request alone. @throws DriverError `invalid-argument`, `not-found` */
export function locateVolume(spec: VolumeSpec, environment: Environment): CephfsVolumeHandle {
  return locate(spec, parseVolumeParameters(spec.parameters), environment);
}

function requireFit({ spec, target }: Creation, { quotaBytes }: ReadySubvolume): bigint {
  if (quotaBytes !== undefined && fitsRange(quotaBytes, spec.capacity)) return quotaBytes;
  const { requiredBytes, limitBytes } = spec.capacity;
  throw conflict(
    target,
    `its size is ${String(quotaBytes ?? 'unlimited')} bytes; required_bytes is ${String(requiredBytes ?? 0n)}, ` +
      `limit_bytes ${String(limitBytes ?? 'none')}`,
  );
}

async function createEmpty(creation: Creation): Promise<ReadySubvolume> {
  const { spec, target, access } = creation;
  const present = await readSubvolume(target, access);
  if (present.state === 'unfinished') throw conflict(target, 'is being made as a copy of something');
  if (present.state === 'ready') {
    if (present.isClone) throw conflict(target, 'was made as a copy of something');
    return present;
  }
  const sizeBytes = chooseSize(spec.capacity, SIZE_UNIT);
  await createSubvolume({ ...target, ...poolOf(creation), sizeBytes }, access);
  return await requireSubvolume(target, 'name', access);
}

/** A volume with files of its own, empty or a copy. */
async function createOwnFiles(creation: Creation): Promise<Pick<Volume, 'capacityBytes' | 'context'>> {
  const { spec, target, access } = creation;
  const pins = parsePins(spec.mutableParameters);
  const subvolume =
    spec.source === undefined
      ? await createEmpty(creation)
      : await createCopy(creation, locateSource(spec.source, target));
  const capacityBytes = requireFit(creation, subvolume);
  await applyPins(target, pins, access);
  return { capacityBytes, context: writeVolumeContext(spec.parameters, { path: subvolume.path }) };
}

/**
 * Makes a volume: a subvolume named after the request, empty or a copy of a snapshot or volume; or a view of a
 * snapshot.
 * @throws DriverError `already-exists` when there is another one by this name, `aborted` while a copy goes on.
 */
export async function createVolume(
  spec: VolumeSpec,
  environment: Environment,
  context: Context,
): Promise<Volume> {
  const parameters = parseVolumeParameters(spec.parameters);
  const target = locate(spec, parameters, environment);
  const cluster = environment.clusters.find(target.clusterId);
  const access = openCluster(cluster, spec.secrets, environment, context);
  requireSupported(spec.capabilities);
  if (parameters.ignored.length > 0) {
    context.log.warn({ parameters: parameters.ignored }, 'StorageClass parameters that do nothing here');
  }
  const creation: Creation = { spec, parameters, target, access };
  const made = parameters.backingSnapshot
    ? await createView(creation, environment)
    : await createOwnFiles(creation);
  return {
    volumeId: encodeVolumeHandle(target),
    ...made,
    ...(spec.source === undefined ? {} : { source: spec.source }),
  };
}
