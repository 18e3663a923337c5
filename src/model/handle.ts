import { DriverError } from './errors.ts';

/** CSI 1.12, "Size Limits": a string field holds at most 128 bytes. */
const MAXIMUM_BYTES = 128;

/** Where an RBD volume is: the decoded `volume_id`. */
export interface RbdVolumeHandle {
  readonly backend: 'rbd';
  readonly clusterId: string;
  readonly pool: string;
  /** RADOS namespace; absent for the default one. */
  readonly namespace?: string;
  readonly image: string;
}

/** Where a CephFS volume is: the decoded `volume_id`. */
export interface CephfsVolumeHandle {
  readonly backend: 'cephfs';
  readonly clusterId: string;
  readonly fsName: string;
  readonly group: string;
  readonly subvolume: string;
}

export type VolumeHandle = RbdVolumeHandle | CephfsVolumeHandle;

/** An RBD snapshot: image ID and snapshot number stay what they are when the image is renamed. */
export interface RbdSnapshotHandle {
  readonly backend: 'rbd';
  readonly clusterId: string;
  readonly pool: string;
  readonly namespace?: string;
  readonly imageId: string;
  readonly snapshotNumber: bigint;
}

export interface CephfsSnapshotHandle {
  readonly backend: 'cephfs';
  readonly clusterId: string;
  readonly fsName: string;
  readonly group: string;
  readonly subvolume: string;
  readonly snapshot: string;
}

export type SnapshotHandle = RbdSnapshotHandle | CephfsSnapshotHandle;

function escapePart(part: string): string {
  return encodeURIComponent(part);
}

/** Of the parts, what `splitParts` takes apart. @throws DriverError `invalid-argument` beyond 128 bytes. */
export function joinParts(kind: string, parts: readonly string[], subject: string): string {
  const id = [kind, ...parts.map(escapePart)].join('/');
  const bytes = Buffer.byteLength(id);
  if (bytes > MAXIMUM_BYTES) {
    throw new DriverError(
      'invalid-argument',
      `${subject}: "${id}" would be ${bytes} bytes, and CSI allows ${MAXIMUM_BYTES}; use shorter names for the ` +
        'cluster ID, the pool or file system, or the name prefix',
    );
  }
  return id;
}

/** The parts behind `<kind>/`, or undefined where the id is not exactly what `joinParts` writes. */
export function splitParts(kind: string, id: string): string[] | undefined {
  const [first, ...encoded] = id.split('/');
  if (first !== kind || Buffer.byteLength(id) > MAXIMUM_BYTES) return undefined;
  try {
    const parts = encoded.map(decodeURIComponent);
    const canonical = parts.every((part, index) => part !== '' && escapePart(part) === encoded[index]);
    return canonical ? parts : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The `volume_id` of a volume: `rbd1/<cluster>/<pool>[/<namespace>]/<image>` or
 * `cephfs1/<cluster>/<file system>/<group>/<subvolume>`, each part percent-encoded.
 * @throws DriverError `invalid-argument` when it would exceed 128 bytes.
 */
export function encodeVolumeHandle(handle: VolumeHandle): string {
  switch (handle.backend) {
    case 'rbd': {
      const space = handle.namespace === undefined ? [] : [handle.namespace];
      return joinParts('rbd1', [handle.clusterId, handle.pool, ...space, handle.image], 'volume_id');
    }
    case 'cephfs':
      return joinParts(
        'cephfs1',
        [handle.clusterId, handle.fsName, handle.group, handle.subvolume],
        'volume_id',
      );
  }
}

/** The location that a `volume_id` names, or undefined for one that this driver did not write. */
export function decodeVolumeHandle(id: string): VolumeHandle | undefined {
  const rbd = splitParts('rbd1', id);
  if (rbd !== undefined) {
    const [clusterId, pool] = rbd;
    const image = rbd.at(-1);
    if (clusterId === undefined || pool === undefined || image === undefined) return undefined;
    if (rbd.length === 3) return { backend: 'rbd', clusterId, pool, image };
    const namespace = rbd[2];
    if (rbd.length === 4 && namespace !== undefined) {
      return { backend: 'rbd', clusterId, pool, namespace, image };
    }
    return undefined;
  }
  const cephfs = splitParts('cephfs1', id);
  if (cephfs?.length === 4) {
    const [clusterId, fsName, group, subvolume] = cephfs as [string, string, string, string];
    return { backend: 'cephfs', clusterId, fsName, group, subvolume };
  }
  return undefined;
}

/**
 * The `snapshot_id` of a snapshot: `rbds1/<cluster>/<pool>[/<namespace>]/<image id>/<number>` or
 * `cephfss1/<cluster>/<file system>/<group>/<subvolume>/<snapshot>`.
 * @throws DriverError `invalid-argument` when it would exceed 128 bytes.
 */
export function encodeSnapshotHandle(handle: SnapshotHandle): string {
  switch (handle.backend) {
    case 'rbd': {
      const space = handle.namespace === undefined ? [] : [handle.namespace];
      return joinParts(
        'rbds1',
        [handle.clusterId, handle.pool, ...space, handle.imageId, String(handle.snapshotNumber)],
        'snapshot_id',
      );
    }
    case 'cephfs':
      return joinParts(
        'cephfss1',
        [handle.clusterId, handle.fsName, handle.group, handle.subvolume, handle.snapshot],
        'snapshot_id',
      );
  }
}

/** The snapshot that a `snapshot_id` names, or undefined for one that this driver did not write. */
export function decodeSnapshotHandle(id: string): SnapshotHandle | undefined {
  const rbd = splitParts('rbds1', id);
  if (rbd !== undefined) {
    const [clusterId, pool] = rbd;
    const imageId = rbd.at(-2);
    const number = rbd.at(-1);
    if (clusterId === undefined || pool === undefined || imageId === undefined || number === undefined) {
      return undefined;
    }
    if (!/^(0|[1-9][0-9]{0,18})$/.test(number)) return undefined;
    const snapshotNumber = BigInt(number);
    if (rbd.length === 4) return { backend: 'rbd', clusterId, pool, imageId, snapshotNumber };
    const namespace = rbd[2];
    if (rbd.length === 5 && namespace !== undefined) {
      return { backend: 'rbd', clusterId, pool, namespace, imageId, snapshotNumber };
    }
    return undefined;
  }
  const cephfs = splitParts('cephfss1', id);
  if (cephfs?.length === 5) {
    const [clusterId, fsName, group, subvolume, snapshot] = cephfs as [
      string,
      string,
      string,
      string,
      string,
    ];
    return { backend: 'cephfs', clusterId, fsName, group, subvolume, snapshot };
  }
  return undefined;
}
