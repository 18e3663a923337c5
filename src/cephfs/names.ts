import { createHash, randomBytes } from 'node:crypto';
import { isErrorOfKind } from '../model/errors.ts';
import {
  encodeSnapshotHandle,
  encodeVolumeHandle,
  type CephfsSnapshotHandle,
  type CephfsVolumeHandle,
} from '../model/handle.ts';
import { chooseName } from '../model/name.ts';

/** Where volumes are made. */
type Home = Pick<CephfsVolumeHandle, 'clusterId' | 'fsName' | 'group'>;

/**
 * Hex digits in a snapshot's name. A snapshot's handle holds the names of its cluster, file system, group and
 * subvolume too, and has 128 bytes in all.
 */
const SNAPSHOT_DIGITS = 12;
const USUAL_SNAPSHOT = `csi-snap-${'0'.repeat(SNAPSHOT_DIGITS)}`;

/** Begins the names of the subvolumes that stand for views of snapshots. */
export const VIEW_PREFIX = 'csi-view-';
/** The subvolumes that stand for group snapshots, and their parts: the beginning of the group's digest, and an attempt. */
const GROUP_PREFIX = 'csi-group-';
const GROUP_NAME = new RegExp(`^${GROUP_PREFIX}[0-9a-f]{${SNAPSHOT_DIGITS}}$`);
const GROUP_PART = new RegExp(`^cg-([0-9a-f]{${SNAPSHOT_DIGITS}})-[0-9a-f]{4}$`);
const VIEW_NAME = new RegExp(`^${VIEW_PREFIX}[0-9a-f]{${SNAPSHOT_DIGITS}}-`);

/** The whole digest of a request's name, in hex. */
export function digestOf(requestName: string): string {
  return createHash('sha256').update(requestName).digest('hex');
}

/** Whether a handle is short enough for CSI. */
function isPossible(encode: () => string): boolean {
  try {
    encode();
    return true;
  } catch (error) {
    if (isErrorOfKind(error, 'invalid-argument')) return false;
    throw error;
  }
}

function isSnapshotPossible(home: Home, subvolume: string, snapshot: string): boolean {
  return isPossible(() => encodeSnapshotHandle({ ...home, backend: 'cephfs', subvolume, snapshot }));
}

/** The subvolume of a request's `name`: readable, unless snapshots of it could not be named, or it reads like a stand-in. */
export function chooseSubvolumeName(home: Home, prefix: string, requestName: string): string {
  const readable = chooseName(prefix, requestName);
  if (isSnapshotPossible(home, readable, USUAL_SNAPSHOT) && !isView(readable) && !isGroup(readable))
    return readable;
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

/** Begins the names of all views of one snapshot, which by this name are found. */
export function viewPrefix(place: Pick<CephfsSnapshotHandle, 'group' | 'subvolume' | 'snapshot'>): string {
  const { group, subvolume, snapshot } = place;
  return `${VIEW_PREFIX}${digestOf(`${group}/${subvolume}/${snapshot}`).slice(0, SNAPSHOT_DIGITS)}-`;
}

/** The subvolume group of what stands for views of the snapshots of a group: few are there, however many volumes are. */
export function viewGroup(group: string): string {
  return `${group}-views`;
}

/** The subvolume that stands for the view of a snapshot that a request's `name` asks for. */
export function chooseViewName(place: CephfsSnapshotHandle, requestName: string): string {
  const prefix = viewPrefix(place);
  const readable = chooseName(prefix, requestName);
  const at = { ...place, group: viewGroup(place.group) };
  if (isPossible(() => encodeVolumeHandle({ ...at, subvolume: readable }))) return readable;
  return `${prefix}${digestOf(requestName).slice(0, SNAPSHOT_DIGITS)}`;
}

/** Whether a subvolume stands for a view of a snapshot, and holds no files of its own. */
export function isView(subvolume: string): boolean {
  return VIEW_NAME.test(subvolume);
}

/** The subvolume that stands for the group snapshot of a request's `name`. */
export function chooseGroupName(requestName: string): string {
  return `${GROUP_PREFIX}${digestOf(requestName).slice(0, SNAPSHOT_DIGITS)}`;
}

/** Whether a subvolume stands for a group snapshot, and holds no files. */
export function isGroup(subvolume: string): boolean {
  return GROUP_NAME.test(subvolume);
}

/** What one attempt at a group snapshot calls the snapshots of its volumes: no other attempt's are called so. */
export function choosePartName(groupName: string): string {
  return `cg-${groupName.slice(-SNAPSHOT_DIGITS)}-${randomBytes(2).toString('hex')}`;
}

/** The name of the group whose part a snapshot is or was to become; undefined for a snapshot of its own. */
export function groupNameOf(snapshot: string): string | undefined {
  const digest = GROUP_PART.exec(snapshot)?.[1];
  return digest === undefined ? undefined : `${GROUP_PREFIX}${digest}`;
}
