import { DriverError } from '../model/errors.ts';
import { decodeVolumeHandle } from '../model/handle.ts';
import type { Parameters } from '../model/volume.ts';

export const MOUNTERS = ['auto', 'kernel', 'fuse'] as const;

/** How a file system is mounted; `auto`: by the kernel where it can, else by ceph-fuse. */
export type Mounter = (typeof MOUNTERS)[number];

/** What the node has to know of a volume: the typed `volume_context`. */
export interface VolumeContext {
  readonly clusterId: string;
  readonly fsName: string;
  /** The directory to mount, absolute in the file system. */
  readonly path: string;
  /** The snapshot of the subvolume at `path` that is shown instead of it. */
  readonly snapshot?: string;
  /** Absent: the node's own preference. */
  readonly mounter?: Mounter;
  readonly kernelMountOptions: string;
  readonly fuseMountOptions: string;
}

/** The keys of StorageClass parameters that go into the volume context as they are. */
export const CONTEXT_KEYS = ['mounter', 'kernelMountOptions', 'fuseMountOptions'] as const;

/** @throws DriverError `invalid-argument` naming the key, the value and what is valid. */
export function parseBoolean(key: string, value: string | undefined): boolean {
  if (value === undefined || value === '' || value === 'false') return false;
  if (value === 'true') return true;
  throw new DriverError('invalid-argument', `${key}: "${value}" is neither true nor false`);
}

/** @throws DriverError `invalid-argument` */
export function parseMounter(value: string | undefined): Mounter | undefined {
  if (value === undefined || value === '') return undefined;
  const mounter = MOUNTERS.find(known => known === value);
  if (mounter !== undefined) return mounter;
  throw new DriverError('invalid-argument', `mounter: "${value}" is not one of ${MOUNTERS.join(', ')}`);
}

function requireEntry(context: Parameters, key: string, why: string): string {
  const value = context[key];
  if (value !== undefined && value !== '') return value;
  throw new DriverError('invalid-argument', `volume_context: ${key} is missing: ${why}`);
}

/** The path as it is mounted; `..` would reach what the volume is not. */
function parsePath(key: string, value: string): string {
  if (!value.startsWith('/') || value.split('/').includes('..') || value.includes('\0')) {
    throw new DriverError(
      'invalid-argument',
      `volume_context: ${key}: "${value}" is not an absolute path without ".."`,
    );
  }
  return value;
}

type Location = Pick<VolumeContext, 'clusterId' | 'fsName' | 'path' | 'snapshot'>;

/** The name of a snapshot, which becomes a part of a path. */
function parseSnapshot(value: string | undefined): { readonly snapshot?: string } {
  if (value === undefined || value === '') return {};
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(value)) return { snapshot: value };
  throw new DriverError(
    'invalid-argument',
    `volume_context: snapshot: "${value}" is not the name of a snapshot: letters, digits, ".", "_" and "-"`,
  );
}

function locate(volumeId: string, context: Parameters): Location {
  if (parseBoolean('staticVolume', context['staticVolume'])) {
    const why = 'a static volume names clusterID, fsName and rootPath';
    return {
      clusterId: requireEntry(context, 'clusterID', why),
      fsName: requireEntry(context, 'fsName', why),
      path: parsePath('rootPath', requireEntry(context, 'rootPath', why)),
    };
  }
  const handle = decodeVolumeHandle(volumeId);
  if (handle?.backend !== 'cephfs') {
    throw new DriverError(
      'not-found',
      `volume_id: "${volumeId}" is no CephFS volume of this driver, nor does its context say staticVolume`,
    );
  }
  const path = requireEntry(context, 'subvolumePath', 'CreateVolume answers it');
  return {
    clusterId: handle.clusterId,
    fsName: handle.fsName,
    path: parsePath('subvolumePath', path),
    ...parseSnapshot(context['snapshot']),
  };
}

/**
 * Reads a volume context. Other keys are left alone: kubelet adds some.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid; `not-found` for a volume ID
 *   that this driver did not write.
 */
export function parseVolumeContext(volumeId: string, context: Parameters): VolumeContext {
  const mounter = parseMounter(context['mounter']);
  return {
    ...locate(volumeId, context),
    ...(mounter === undefined ? {} : { mounter }),
    kernelMountOptions: context['kernelMountOptions'] ?? '',
    fuseMountOptions: context['fuseMountOptions'] ?? '',
  };
}

/** The volume context of a volume made with these StorageClass parameters. */
export function writeVolumeContext(
  parameters: Parameters,
  { path, snapshot }: Pick<VolumeContext, 'path' | 'snapshot'>,
): Parameters {
  const entries = CONTEXT_KEYS.map(key => [key, parameters[key]] as const);
  const given = entries.filter(([, value]) => value !== undefined && value !== '');
  return {
    ...Object.fromEntries(given),
    subvolumePath: path,
    ...(snapshot === undefined ? {} : { snapshot }),
  };
}
