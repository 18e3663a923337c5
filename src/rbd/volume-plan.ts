import type { ImageRef } from '../ceph/rbd-session.ts';
import type { CloneLayout } from '../ceph/rbd-snapshot.ts';
import { chooseSize, fitsRange, MIB, type CapacityRange } from '../model/bytes.ts';
import type { Log } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { chooseName } from '../model/name.ts';
import type { Parameters, Volume, VolumeSource, VolumeSpec } from '../model/volume.ts';
import { requireSupported } from './access-modes.ts';
import { limitMetadata } from './image-limits.ts';
import type { VolumeImage } from './image-state.ts';
import { MARKER_KEY, writeMarker } from './marker.ts';
import { parseImageParameters, type ImageParameters } from './parameters.ts';
import { encodeVolumePlace } from './places.ts';
import { hasLimits, type Limits } from './qos.ts';
import type { Sessions } from './sessions.ts';
import type { ImagePool } from './topology.ts';
import { parseAttributes } from './volume-attributes.ts';
import { parseVolumeContext } from './volume-context.ts';

/** Sizes of images are whole MiB, as `rbd` shows them. */
const SIZE_UNIT = MIB;

/** What a CreateVolume request comes to at Ceph. */
export interface VolumePlan {
  readonly name: string;
  readonly volumeId: string;
  readonly ref: ImageRef;
  readonly parameters: ImageParameters;
  readonly capacity: CapacityRange;
  readonly source?: VolumeSource;
  /** Milliseconds. */
  readonly retention: number;
  readonly limits: Limits;
}

/** @throws DriverError `invalid-argument` for limits of a volume that only the kernel's client will map. */
function requireHonoured(limits: Limits, context: Parameters): void {
  const { mounter, tryOtherMounters } = parseVolumeContext('', context);
  if (mounter !== 'krbd' || tryOtherMounters || !hasLimits(limits)) return;
  throw new DriverError(
    'invalid-argument',
    "mutable_parameters: the kernel's client, which parameters ask for (mounter), knows no limits; use nbd or fuse",
  );
}

/** @throws DriverError `invalid-argument` */
export function planVolume(spec: VolumeSpec, sessions: Sessions, log: Log): VolumePlan {
  requireSupported(spec.capabilities);
  const { limits, features } = parseAttributes(spec.mutableParameters);
  const ofClass = parseImageParameters(spec.parameters, log, spec.accessibility);
  const parameters = features === undefined ? ofClass : { ...ofClass, features };
  requireHonoured(limits, parameters.context);
  const { rbd } = sessions.cluster(parameters.clusterId);
  const ref: ImageRef = {
    pool: parameters.pool.name,
    ...(rbd.radosNamespace === undefined ? {} : { namespace: rbd.radosNamespace }),
    image: chooseName(parameters.namePrefix, spec.name),
  };
  return {
    name: spec.name,
    volumeId: encodeVolumePlace(parameters.clusterId, ref),
    ref,
    parameters,
    capacity: spec.capacity,
    ...(spec.source === undefined ? {} : { source: spec.source }),
    retention: parameters.retention ?? rbd.deletedVolumeRetention,
    limits,
  };
}

/** The same volume in another pool of its class. */
export function moveToPool(plan: VolumePlan, pool: ImagePool): VolumePlan {
  const ref = { ...plan.ref, pool: pool.name };
  const parameters = { ...plan.parameters, pool };
  return { ...plan, ref, parameters, volumeId: encodeVolumePlace(parameters.clusterId, ref) };
}

/** The size to make the volume of. @throws DriverError `out-of-range` */
export function sizeOf(plan: VolumePlan, fallback?: bigint): bigint {
  return chooseSize(plan.capacity, SIZE_UNIT, fallback);
}

/** How the image's data lies, whether it is made empty or as a clone. */
export function layoutOf({ parameters }: VolumePlan): CloneLayout {
  const { order, features, stripeUnit, stripeCount } = parameters;
  const { dataPool } = parameters.pool;
  return { order, features, stripeUnit, stripeCount, ...(dataPool === undefined ? {} : { dataPool }) };
}

/** The image's metadata; the marker comes last. */
export function metadataOf(plan: VolumePlan, sizeBytes: bigint, depth: number): ReadonlyMap<string, string> {
  const marker = writeMarker({
    image: plan.ref.image,
    name: plan.name,
    ...(plan.source === undefined ? {} : { source: plan.source }),
    sizeBytes,
    depth,
    retention: plan.retention,
  });
  return new Map([...plan.parameters.metadata, ...limitMetadata(plan.limits), [MARKER_KEY, marker]]);
}

export function volumeOf(plan: VolumePlan, capacityBytes: bigint): Volume {
  const { accessibleTopology } = plan.parameters.pool;
  return {
    volumeId: plan.volumeId,
    capacityBytes,
    context: plan.parameters.context,
    ...(plan.source === undefined ? {} : { source: plan.source }),
    ...(accessibleTopology === undefined ? {} : { accessibleTopology }),
  };
}

function describeSource(source: VolumeSource | undefined): string {
  if (source === undefined) return 'made empty';
  return source.type === 'snapshot'
    ? `made from snapshot ${source.snapshotId}`
    : `made from volume ${source.volumeId}`;
}

/** The volume that an earlier call has made. @throws DriverError `already-exists` when it is not what is asked for. */
export function adoptVolume(plan: VolumePlan, existing: VolumeImage): Volume {
  const { info, marker } = existing;
  const made = describeSource(marker.source);
  const wanted = describeSource(plan.source);
  if (made !== wanted) {
    throw new DriverError('already-exists', `name: volume "${plan.name}" is there, ${made}, not ${wanted}`);
  }
  if (!fitsRange(info.sizeBytes, plan.capacity)) {
    throw new DriverError(
      'already-exists',
      `name: volume "${plan.name}" is there with ${String(info.sizeBytes)} bytes, which does not fit capacity_range`,
    );
  }
  return volumeOf(plan, info.sizeBytes);
}
