import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { requireFileSystem } from '../ceph/fs-volume.ts';
import { readSnapshot, printSnapshotPlace } from '../ceph/fs-snapshot.ts';
import { readOmapValue, removeOmapKey, writeOmapValue } from '../ceph/rados-object.ts';
import type { CephSession } from '../ceph/rbd-session.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { CephfsSnapshotHandle } from '../model/handle.ts';
import type { Environment } from './environment.ts';
import { digestOf, snapshotDigest } from './names.ts';

/*
 * Which source a snapshot name belongs to: CSI wants the same name on another source refused, and Ceph has snapshot
 * names for each subvolume. The index is a hint, never the truth: an entry counts only when its snapshot is there,
 * and losing the object loses nothing but the refusal.
 */

/** In the file system's metadata pool, in a RADOS namespace apart from the metadata servers' objects. */
const NAMESPACE = 'csi-driver-ceph';
const OBJECT = 'snapshots';

function keyOf({ group, snapshot }: CephfsSnapshotHandle): string {
  return `${group}/${snapshotDigest(snapshot)}`;
}

interface Entry {
  /** The whole digest of the request's name: the key has only the beginning. */
  readonly digest: string;
  readonly subvolume: string;
  readonly snapshot: string;
}

function formatEntry({ digest, subvolume, snapshot }: Entry): string {
  return `${digest}/${subvolume}/${snapshot}`;
}

function decodeEntry(text: string): Entry | undefined {
  const [digest, subvolume, snapshot, ...rest] = text.split('/');
  if (digest === undefined || subvolume === undefined || snapshot === undefined) return undefined;
  return rest.length === 0 ? { digest, subvolume, snapshot } : undefined;
}

/** What is there while the deletion of a snapshot looks for views of it, and until it has ended. */
function removalKey({ group, subvolume, snapshot }: CephfsSnapshotHandle): string {
  return `removal/${group}/${subvolume}/${snapshot}`;
}

async function openIndex(fsName: string, access: ClusterAccess, environment: Environment) {
  const { connection, context } = access;
  const { exec, servers } = environment;
  const session: CephSession = { exec, connection, context, ...(servers === undefined ? {} : { servers }) };
  const { metadataPool } = await requireFileSystem(fsName, access);
  return { session, pool: { pool: metadataPool, namespace: NAMESPACE } };
}

/**
 * Notes a snapshot that is about to be made.
 * @throws DriverError `already-exists` when another source has a snapshot of the same request name.
 */
export async function claimSnapshotName(
  place: CephfsSnapshotHandle,
  requestName: string,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  const { session, pool } = await openIndex(place.fsName, access, environment);
  const key = keyOf(place);
  const mine = { digest: digestOf(requestName), subvolume: place.subvolume, snapshot: place.snapshot };
  const text = await readOmapValue(session, pool, OBJECT, key);
  if (text === formatEntry(mine)) return;
  const other = text === undefined ? undefined : decodeEntry(text);
  if (other?.digest === mine.digest && other.subvolume !== place.subvolume) {
    const otherPlace = { ...place, subvolume: other.subvolume, snapshot: other.snapshot };
    if ((await readSnapshot(otherPlace, access)) !== undefined) {
      throw new DriverError(
        'already-exists',
        `name: "${requestName}" is the snapshot ${printSnapshotPlace(otherPlace)}, of another volume`,
      );
    }
  }
  await writeOmapValue(session, pool, OBJECT, key, formatEntry(mine));
}

/** Notes that a snapshot is about to be removed, for those who make views of it meanwhile. */
export async function announceRemoval(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  const { session, pool } = await openIndex(place.fsName, access, environment);
  await writeOmapValue(session, pool, OBJECT, removalKey(place), 'announced');
}

/** Whether a removal of the snapshot goes on, or was interrupted and not repeated. */
export async function isRemovalAnnounced(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<boolean> {
  const { session, pool } = await openIndex(place.fsName, access, environment);
  return (await readOmapValue(session, pool, OBJECT, removalKey(place))) !== undefined;
}

async function removeKeys(
  keys: readonly string[],
  { fsName }: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  const { session, pool } = await openIndex(fsName, access, environment);
  await Promise.all(keys.map(key => removeOmapKey(session, pool, OBJECT, key)));
}

/** After a removal that did not happen. */
export async function withdrawRemoval(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  await removeKeys([removalKey(place)], place, access, environment);
}

/** Forgets a snapshot that was removed. What cannot be forgotten does no harm. */
export async function releaseSnapshotName(
  place: CephfsSnapshotHandle,
  access: ClusterAccess,
  environment: Environment,
): Promise<void> {
  try {
    await removeKeys([keyOf(place), removalKey(place)], place, access, environment);
  } catch (error) {
    if (isErrorOfKind(error, 'cancelled', 'deadline-exceeded')) throw error;
    access.context.log.warn({ err: error }, 'the index of snapshot names keeps an entry that means nothing');
  }
}
