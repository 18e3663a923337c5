import { setTimeout as sleep } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import type { ClusterAccess } from '../ceph/ceph-command.ts';
import {
  cancelClone,
  ensureSnapshot,
  printSnapshotPlace,
  readCloneStatus,
  removeSnapshot,
  startClone,
  type CloneStatus,
  type SnapshotPlace,
} from '../ceph/fs-snapshot.ts';
import { printPlace, removeSubvolume, type SubvolumePlace } from '../ceph/fs-subvolume.ts';
import { DriverError } from '../model/errors.ts';
import type { Source } from './volume-source.ts';

/** Snapshots by this prefix are the driver's own, of a volume that is being cloned. */
const TEMPORARY_PREFIX = 'csi-clone-';
/** Milliseconds that one call waits for a copy: a small one is complete by then, and the sidecars wait for 60 s. */
const PATIENCE = 30_000;
const POLL_INTERVAL = 400;

/** A copy, begun or to be begun. */
export interface Copy {
  readonly source: Source;
  readonly target: SubvolumePlace;
}

export function isTemporarySnapshot(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** The snapshot by which a volume is cloned: its name follows from the clone's, so that a retry finds it. */
function temporarySnapshot(source: SubvolumePlace, target: SubvolumePlace): SnapshotPlace {
  const digest = createHash('sha256').update(printPlace(target)).digest('hex').slice(0, 16);
  return { ...source, snapshot: `${TEMPORARY_PREFIX}${digest}` };
}

function describeProgress(target: SubvolumePlace, status: CloneStatus | undefined): DriverError {
  const progress = status?.progress === undefined ? '' : `, ${status.progress}`;
  return new DriverError(
    'aborted',
    `the copy to ${printPlace(target)} is not complete yet (${status?.state ?? 'unknown'}${progress}); ` +
      'repeat the call',
  );
}

/** The snapshot that is copied: of a volume, one that is made for it. */
function snapshotOf({ source, target }: Copy): SnapshotPlace {
  return source.type === 'snapshot' ? source.place : temporarySnapshot(source.place, target);
}

/** Begins the copy. For a volume, first makes the snapshot that is copied. */
export async function beginCopy(
  request: Copy & { readonly pool?: string },
  access: ClusterAccess,
): Promise<void> {
  const { source, target, pool } = request;
  const snapshot = snapshotOf(request);
  if (source.type === 'volume') await ensureSnapshot(snapshot, access);
  await startClone({ source: snapshot, target, ...(pool === undefined ? {} : { pool }) }, access);
}

/** @throws DriverError `already-exists` when something else is copied to the target. */
function requireSame(copy: Copy, present: SnapshotPlace | undefined): void {
  if (present === undefined) return;
  const { group, subvolume, snapshot } = snapshotOf(copy);
  if (present.group === group && present.subvolume === subvolume && present.snapshot === snapshot) return;
  throw new DriverError(
    'already-exists',
    `name: ${printPlace(copy.target)} exists already, and is being copied from ${printSnapshotPlace(present)}`,
  );
}

/**
 * Waits a little for a copy to be complete. A failed one is removed, for the next call to begin anew.
 * @throws DriverError `aborted` with the progress while it goes on or after it failed, `already-exists` when it is
 *   a copy of something else.
 */
export async function awaitCopy(copy: Copy, access: ClusterAccess): Promise<void> {
  const { target } = copy;
  const end = performance.now() + PATIENCE;
  for (;;) {
    const status = await readCloneStatus(target, access);
    if (status?.state === 'complete') return;
    requireSame(copy, status?.source);
    if (status?.state === 'failed' || status?.state === 'canceled') {
      await removeSubvolume(target, { force: true }, access);
      throw new DriverError(
        'aborted',
        `the copy to ${printPlace(target)} ${status.state === 'failed' ? 'has failed' : 'was cancelled'} and ` +
          'has been removed; repeat the call',
      );
    }
    if (status === undefined || performance.now() > end) throw describeProgress(target, status);
    await sleep(POLL_INTERVAL, undefined, { signal: access.context.signal }).catch(() => undefined);
  }
}

/** Takes away the snapshot by which a volume was cloned; `busy` is left to the next call that passes here. */
export async function finishCopy({ source, target }: Copy, access: ClusterAccess): Promise<void> {
  if (source.type === 'volume') await removeSnapshot(temporarySnapshot(source.place, target), access);
}

/**
 * Removes a subvolume whose copy is not complete: the copy is cancelled first.
 * @throws DriverError `aborted` while the manager has not stopped it.
 */
export async function removeUnfinished(target: SubvolumePlace, access: ClusterAccess): Promise<void> {
  const status = await readCloneStatus(target, access);
  if (status?.state === 'pending' || status?.state === 'in-progress') await cancelClone(target, access);
  const removal = await removeSubvolume(target, { force: true }, access);
  if (removal !== 'gone') throw describeProgress(target, await readCloneStatus(target, access));
  if (status?.source !== undefined && isTemporarySnapshot(status.source.snapshot)) {
    await removeSnapshot(status.source, access);
  }
}
