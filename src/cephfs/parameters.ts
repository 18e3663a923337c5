import { DriverError } from '../model/errors.ts';
import type { Parameters } from '../model/volume.ts';
import { isTemporarySnapshot } from './copying.ts';
import { VIEW_PREFIX } from './names.ts';
import { CONTEXT_KEYS, parseBoolean, parseMounter } from './volume-context.ts';

/** Keys of a StorageClass that mean something here. */
export const VOLUME_KEYS = [
  'clusterID',
  'fsName',
  'pool',
  'volumeNamePrefix',
  'backingSnapshot',
  ...CONTEXT_KEYS,
] as const;

/** Keys that the Go driver knows; here they are accepted only with a value that asks for nothing. */
export const DISABLED_KEYS = ['encrypted'] as const;
/** Keys that the Go driver knows and this one has no use for. */
export const IGNORED_KEYS = ['encryptionKMSID', 'encryptionType'] as const;

/** Keys of a VolumeSnapshotClass that mean something here. */
export const SNAPSHOT_KEYS = ['clusterID', 'snapshotNamePrefix'] as const;

/** Keys of a VolumeGroupSnapshotClass that mean something here. */
export const GROUP_KEYS = ['clusterID', 'fsName'] as const;

/** Kubernetes passes its own keys (names of secrets, of the claim) among the parameters. */
const KUBERNETES_PREFIX = 'csi.storage.k8s.io/';

const DEFAULT_VOLUME_PREFIX = 'csi-vol-';
const DEFAULT_SNAPSHOT_PREFIX = 'csi-snap-';

/** A StorageClass's parameters. */
export interface VolumeParameters {
  readonly clusterId: string;
  readonly fsName: string;
  /** Data pool of the files; absent: the file system's first. */
  readonly pool?: string;
  readonly volumeNamePrefix: string;
  /** Volumes are views of snapshots. */
  readonly backingSnapshot: boolean;
  /** Keys that were given and do nothing. */
  readonly ignored: readonly string[];
}

export interface SnapshotParameters {
  /** Absent: the source's. */
  readonly clusterId?: string;
  readonly snapshotNamePrefix: string;
}

function refuseUnknown(parameters: Parameters, known: readonly string[], tolerated: readonly string[]): void {
  const all = [...known, ...tolerated];
  const unknown = Object.keys(parameters).find(
    key => !key.startsWith(KUBERNETES_PREFIX) && !all.includes(key),
  );
  if (unknown === undefined) return;
  throw new DriverError(
    'invalid-argument',
    `parameters: "${unknown}" is not known; CephFS has ${known.join(', ')}`,
  );
}

function optional(parameters: Parameters, key: string): string | undefined {
  const value = parameters[key];
  return value === '' ? undefined : value;
}

function require(parameters: Parameters, key: string): string {
  const value = optional(parameters, key);
  if (value !== undefined) return value;
  throw new DriverError('invalid-argument', `parameters: ${key} is missing`);
}

/** A prefix must leave names that are one path component, and that no command takes for an option. */
function parsePrefix(parameters: Parameters, key: string, fallback: string): string {
  const prefix = optional(parameters, key) ?? fallback;
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(prefix);
  const isOwn = isTemporarySnapshot(prefix) || prefix.startsWith(VIEW_PREFIX);
  if (isName && !isOwn) return prefix;
  throw new DriverError(
    'invalid-argument',
    `parameters: ${key}: "${prefix}" is not a prefix: at most 32 letters, digits, ".", "_" or "-", the first ` +
      'a letter or digit, and not the driver\'s own "csi-clone-" or "csi-view-"',
  );
}

/**
 * Reads a StorageClass's parameters.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid.
 */
export function parseVolumeParameters(parameters: Parameters): VolumeParameters {
  refuseUnknown(parameters, VOLUME_KEYS, [...DISABLED_KEYS, ...IGNORED_KEYS]);
  for (const key of DISABLED_KEYS) {
    if (parseBoolean(key, parameters[key])) {
      throw new DriverError('invalid-argument', `parameters: ${key}: "true" is not possible with CephFS`);
    }
  }
  parseMounter(parameters['mounter']);
  const pool = optional(parameters, 'pool');
  const backingSnapshot = parseBoolean('parameters: backingSnapshot', parameters['backingSnapshot']);
  if (backingSnapshot && pool !== undefined) {
    throw new DriverError(
      'invalid-argument',
      `parameters: pool: "${pool}" is not possible with backingSnapshot: the files are where the snapshot's are`,
    );
  }
  return {
    clusterId: require(parameters, 'clusterID'),
    fsName: require(parameters, 'fsName'),
    ...(pool === undefined ? {} : { pool }),
    volumeNamePrefix: parsePrefix(parameters, 'volumeNamePrefix', DEFAULT_VOLUME_PREFIX),
    backingSnapshot,
    ignored: IGNORED_KEYS.filter(key => optional(parameters, key) !== undefined),
  };
}

/** Whose free space is asked for; what is absent stands for all. */
export interface CapacityParameters {
  readonly clusterId?: string;
  readonly fsName?: string;
  readonly pool?: string;
}

/** Reads a StorageClass's parameters, of which any may be missing. @throws DriverError `invalid-argument` */
export function parseCapacityParameters(parameters: Parameters): CapacityParameters {
  refuseUnknown(parameters, VOLUME_KEYS, [...DISABLED_KEYS, ...IGNORED_KEYS]);
  const clusterId = optional(parameters, 'clusterID');
  const fsName = optional(parameters, 'fsName');
  const pool = optional(parameters, 'pool');
  return {
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(fsName === undefined ? {} : { fsName }),
    ...(pool === undefined ? {} : { pool }),
  };
}

/** Where a VolumeGroupSnapshotClass says that the volumes are. @throws DriverError `invalid-argument` */
export function parseGroupParameters(parameters: Parameters): {
  readonly clusterId?: string;
  readonly fsName?: string;
} {
  refuseUnknown(parameters, GROUP_KEYS, []);
  const clusterId = optional(parameters, 'clusterID');
  const fsName = optional(parameters, 'fsName');
  return {
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(fsName === undefined ? {} : { fsName }),
  };
}

/** Reads a VolumeSnapshotClass's parameters. @throws DriverError `invalid-argument` */
export function parseSnapshotParameters(parameters: Parameters): SnapshotParameters {
  refuseUnknown(parameters, SNAPSHOT_KEYS, []);
  const clusterId = optional(parameters, 'clusterID');
  return {
    ...(clusterId === undefined ? {} : { clusterId }),
    snapshotNamePrefix: parsePrefix(parameters, 'snapshotNamePrefix', DEFAULT_SNAPSHOT_PREFIX),
  };
}
