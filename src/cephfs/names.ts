import { createHash } from 'node:crypto';
import { isErrorOfKind } from '../model/errors.ts';
import { encodeSnapshotHandle, type CephfsVolumeHandle } from '../model/handle.ts';
import { chooseName } from '../model/name.ts';

/** Where volumes are made. */
type Home = Pick<CephfsVolumeHandle, 'clusterId' | 'fsName' | 'group'>;

/**
 * Hex digits in a snapshot's name. A snapshot's handle holds the names of its cluster, file system, group and
 * subvolume too, and has 128 bytes in all.
 */
const SNAPSHOT_DIGITS = 12;
const USUAL_SNAPSHOT = `csi-snap-${'0'.repeat(SNAPSHOT_DIGITS)}`;

/** The whole digest of a request's name, in hex. */
export function digestOf(requestName: string): string {
  return createHash('sha256').update(requestName).digest('hex');
}

function isSnapshotPossible(home: Home, subvolume: string, snapshot: string): boolean {
  try {
    encodeSnapshotHandle({ ...home, backend: 'cephfs', subvolume, snapshot });
    return true;
  } catch (error) {
    if (isErrorOfKind(error, 'invalid-argument')) return false;
    throw error;
  }
}

/** The subvolume of a request's `name`: readable, unless snapshots of it could not be named any more. */
export function chooseSubvolumeName(home: Home, prefix: string, requestName: string): string {
  const readable = chooseName(prefix, requestName);
  if (isSnapshotPossible(home, readable, USUAL_SNAPSHOT)) return readable;
  return `${prefix}${digestOf(requestName).slice(0, 32)}`;
}

/** The snapshot of a request's `name`; without the prefix where there is no room for it. */
export function chooseSnapshotName(source: CephfsVolumeHandle, prefix: string, requestName: string): string {
  const digest = digestOf(requestName).slice(0, SNAPSHOT_DIGITS);
  const name = `${prefix}${digest}`;
  return isSnapshotPossible(source, source.subvolume, name) ? name : `s${digest}`;
}

/** What is the same in the names of all snapshots that a request's `name` could ask for. */
export function snapshotDigest(snapshot: string): string {
  return snapshot.slice(-SNAPSHOT_DIGITS);
}
