import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { printPlace } from '../ceph/fs-subvolume.ts';
import { MIB } from '../model/bytes.ts';
import { DriverError } from '../model/errors.ts';
import type { CephfsVolumeHandle } from '../model/handle.ts';
import type { VolumeSpec } from '../model/volume.ts';
import type { VolumeParameters } from './parameters.ts';

/** Kernel clients count a quota's blocks in 4 MiB. */
export const SIZE_UNIT = 4n * MIB;

/** One creation at work. */
export interface Creation {
  readonly spec: VolumeSpec;
  readonly parameters: VolumeParameters;
  readonly target: CephfsVolumeHandle;
  readonly access: ClusterAccess;
}

/** What CSI wants to be told when there is another volume by the request's name. */
export function conflict(target: CephfsVolumeHandle, why: string): DriverError {
  return new DriverError('already-exists', `name: ${printPlace(target)} exists already, and ${why}`);
}

/** The data pool that the class names, as the commands take it. */
export function poolOf({ parameters }: Creation): { readonly pool?: string } {
  return parameters.pool === undefined ? {} : { pool: parameters.pool };
}
