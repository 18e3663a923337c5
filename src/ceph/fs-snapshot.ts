import type { CephfsSnapshotHandle } from '../model/handle.ts';
import {
  requireObject,
  requireText,
  runCommand,
  type ClusterAccess,
  type ClusterCommand,
} from './ceph-command.ts';
import { EAGAIN, EEXIST, EINVAL, ENOENT, failureOf, parseOutput } from './failure.ts';
import { parseNames, printPlace, subvolumeArguments, type SubvolumePlace } from './fs-subvolume.ts';

const EOPNOTSUPP = 95;

/** Where a snapshot is. */
export type SnapshotPlace = Pick<CephfsSnapshotHandle, 'fsName' | 'group' | 'subvolume' | 'snapshot'>;

export interface SubvolumeSnapshot {
  readonly createdAt: Date;
}

export function printSnapshotPlace(place: SnapshotPlace): string {
  return `${printPlace(place)}@${place.snapshot}`;
}

function snapshotArguments(place: SnapshotPlace) {
  return { ...subvolumeArguments(place), snap_name: place.snapshot };
}

/** Makes a snapshot; resolves also when it is there. */
export async function ensureSnapshot(place: SnapshotPlace, access: ClusterAccess): Promise<void> {
  const command: ClusterCommand = {
    target: 'mgr',
    prefix: 'fs subvolume snapshot create',
    args: snapshotArguments(place),
  };
  await runCommand(command, `making snapshot ${printSnapshotPlace(place)}`, access);
}

/** `2026-11-24 15:38:47.642498`, UTC; the digits behind the second differ from one question to the next. */
function parseTime(text: string): Date {
  return new Date(`${text.slice(0, 19).replace(' ', 'T')}Z`);
}

/** A snapshot, or undefined when there is none, nor a subvolume. */
export async function readSnapshot(
  place: SnapshotPlace,
  access: ClusterAccess,
): Promise<SubvolumeSnapshot | undefined> {
  const what = `reading snapshot ${printSnapshotPlace(place)}`;
  const { run, connection, context } = access;
  const command: ClusterCommand = {
    target: 'mgr',
    prefix: 'fs subvolume snapshot info',
    args: snapshotArguments(place),
  };
  const result = await run(connection, command, context);
  if (result.exitCode === ENOENT) return undefined;
  if (result.exitCode !== 0) throw failureOf(result, { what, connection });
  const fields = requireObject(parseOutput(result, what), what);
  return { createdAt: parseTime(requireText(fields, 'created_at', what)) };
}

/** Removes a snapshot. `busy` while it is being copied; `gone` also when there is none. */
export async function removeSnapshot(place: SnapshotPlace, access: ClusterAccess): Promise<'gone' | 'busy'> {
  const { run, connection, context } = access;
  const args = { ...snapshotArguments(place), force: true };
  const result = await run(connection, { target: 'mgr', prefix: 'fs subvolume snapshot rm', args }, context);
  if (result.exitCode === 0 || result.exitCode === ENOENT) return 'gone';
  if (result.exitCode === EAGAIN) return 'busy';
  throw failureOf(result, { what: `removing snapshot ${printSnapshotPlace(place)}`, connection });
}

/** The names of a subvolume's snapshots, sorted; none when there is no such subvolume. */
export async function listSnapshots(
  place: SubvolumePlace,
  access: ClusterAccess,
): Promise<readonly string[]> {
  const what = `listing the snapshots of ${printPlace(place)}`;
  const { run, connection, context } = access;
  const command: ClusterCommand = {
    target: 'mgr',
    prefix: 'fs subvolume snapshot ls',
    args: subvolumeArguments(place),
  };
  const result = await run(connection, command, context);
  // EAGAIN: a clone that is not complete; it has none.
  if (result.exitCode === ENOENT || result.exitCode === EAGAIN) return [];
  if (result.exitCode !== 0) throw failureOf(result, { what, connection });
  return parseNames(parseOutput(result, what), what);
}

export interface CloneRequest {
  readonly source: SnapshotPlace;
  /** In the same file system. */
  readonly target: SubvolumePlace;
  readonly pool?: string;
}

/** Begins to copy a snapshot to a new subvolume. `exists` when there is one by this name, begun or complete. */
export async function startClone(
  request: CloneRequest,
  access: ClusterAccess,
): Promise<'started' | 'exists'> {
  const { source, target, pool } = request;
  const args = {
    ...snapshotArguments(source),
    target_sub_name: target.subvolume,
    target_group_name: target.group,
    ...(pool === undefined ? {} : { pool_layout: pool }),
  };
  const { run, connection, context } = access;
  const result = await run(
    connection,
    { target: 'mgr', prefix: 'fs subvolume snapshot clone', args },
    context,
  );
  if (result.exitCode === 0) return 'started';
  if (result.exitCode === EEXIST) return 'exists';
  const what = `copying snapshot ${printSnapshotPlace(source)} to ${printPlace(target)}`;
  throw failureOf(result, { what, connection });
}

export interface CloneStatus {
  readonly state: 'pending' | 'in-progress' | 'complete' | 'failed' | 'canceled';
  /** Known while the copy is not complete. */
  readonly source?: SnapshotPlace;
  /** In Ceph's words, where it tells (19 and newer): `45.2%`. */
  readonly progress?: string;
}

const STATES = ['pending', 'in-progress', 'complete', 'failed', 'canceled'] as const;

function parseSource(value: unknown, what: string): SnapshotPlace | undefined {
  if (value === undefined) return undefined;
  const fields = requireObject(value, what);
  return {
    fsName: requireText(fields, 'volume', what),
    group: typeof fields['group'] === 'string' ? fields['group'] : '_nogroup',
    subvolume: requireText(fields, 'subvolume', what),
    snapshot: requireText(fields, 'snapshot', what),
  };
}

function parseProgress(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('percentage cloned' in value)) return undefined;
  return String(value['percentage cloned']);
}

/** How a copy stands; undefined when there is no such subvolume or it is no clone. */
export async function readCloneStatus(
  place: SubvolumePlace,
  access: ClusterAccess,
): Promise<CloneStatus | undefined> {
  const what = `reading the clone status of ${printPlace(place)}`;
  const { run, connection, context } = access;
  const args = { vol_name: place.fsName, clone_name: place.subvolume, group_name: place.group };
  const result = await run(connection, { target: 'mgr', prefix: 'fs clone status', args }, context);
  if (result.exitCode === ENOENT || result.exitCode === EOPNOTSUPP) return undefined;
  if (result.exitCode !== 0) throw failureOf(result, { what, connection });
  const status = requireObject(requireObject(parseOutput(result, what), what)['status'], what);
  const source = parseSource(status['source'], what);
  const progress = parseProgress(status['progress_report']);
  return {
    // A state that a newer Ceph may have is one that is still on its way.
    state: STATES.find(state => state === status['state']) ?? 'in-progress',
    ...(source === undefined ? {} : { source }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** Stops a copy; resolves also when it has ended already. */
export async function cancelClone(place: SubvolumePlace, access: ClusterAccess): Promise<void> {
  const { run, connection, context } = access;
  const args = { vol_name: place.fsName, clone_name: place.subvolume, group_name: place.group };
  const result = await run(connection, { target: 'mgr', prefix: 'fs clone cancel', args }, context);
  if (result.exitCode === 0 || result.exitCode === ENOENT) return;
  // "cannot cancel -- clone finished (check clone status)"
  if (result.exitCode === EINVAL && result.stderr.includes('finished')) return;
  throw failureOf(result, { what: `cancelling the copy to ${printPlace(place)}`, connection });
}
