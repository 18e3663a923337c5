import type { CommandResult } from '../exec/command.ts';
import type { CephfsVolumeHandle } from '../model/handle.ts';
import { DriverError } from '../model/errors.ts';
import {
  requireList,
  requireObject,
  requireText,
  runCommand,
  type ClusterAccess,
  type ClusterCommand,
} from './ceph-command.ts';
import { EAGAIN, ENOENT, ENOTEMPTY, failureOf, parseOutput } from './failure.ts';

/** Where a subvolume is. */
export type SubvolumePlace = Pick<CephfsVolumeHandle, 'fsName' | 'group' | 'subvolume'>;
/** Where subvolumes are. */
export type GroupPlace = Pick<CephfsVolumeHandle, 'fsName' | 'group'>;

/** What there is by a subvolume's name. */
export type Subvolume =
  | { readonly state: 'absent' }
  /** Deleted; its snapshots are kept. */
  | { readonly state: 'retained' }
  /** A clone whose copy is not complete. */
  | { readonly state: 'unfinished' }
  | ReadySubvolume;

export interface ReadySubvolume {
  readonly state: 'ready';
  readonly isClone: boolean;
  /** Absolute, in the file system: what a client mounts. */
  readonly path: string;
  /** Undefined: no limit. */
  readonly quotaBytes: bigint | undefined;
  readonly dataPool: string;
}

/** `file system/group/subvolume`, as messages name it. */
export function printPlace(place: SubvolumePlace): string {
  return `${place.fsName}/${place.group}/${place.subvolume}`;
}

/** The arguments by which the manager's commands find a subvolume. */
export function subvolumeArguments(place: SubvolumePlace) {
  return { vol_name: place.fsName, sub_name: place.subvolume, group_name: place.group };
}

/**
 * The manager has one code for everything that is missing. Seen (16.2): `subvolume 'x' does not exist`,
 * `subvolume group 'x' does not exist`, `FS 'x' not found`, `volume 'x' does not exist`.
 */
function isMissing(result: CommandResult, thing: 'subvolume' | 'group'): boolean {
  if (result.exitCode !== ENOENT) return false;
  const pattern =
    thing === 'group' ? /subvolume ?group '.*' does not exist/ : /subvolume '.*' does not exist/;
  return pattern.test(result.stderr);
}

function describeFailure(
  result: CommandResult,
  what: string,
  { fsName }: GroupPlace,
  { connection }: ClusterAccess,
): DriverError {
  if (result.exitCode === ENOENT && /FS '.*' not found|volume '.*' does not exist$/m.test(result.stderr)) {
    return new DriverError('not-found', `fsName: there is no file system "${fsName}" in the cluster`);
  }
  return failureOf(result, { what, connection });
}

function parseSubvolume(answer: unknown, what: string): Subvolume {
  const fields = requireObject(answer, what);
  if (fields['state'] === 'snapshot-retained') return { state: 'retained' };
  if (fields['state'] !== 'complete') return { state: 'unfinished' };
  const quota = fields['bytes_quota'];
  return {
    state: 'ready',
    isClone: fields['type'] === 'clone',
    path: requireText(fields, 'path', what),
    quotaBytes: typeof quota === 'number' ? BigInt(quota) : undefined,
    dataPool: requireText(fields, 'data_pool', what),
  };
}

/**
 * What a subvolume is now; `absent` also when its group is.
 * @throws DriverError `not-found` when the file system is missing.
 */
export async function readSubvolume(place: SubvolumePlace, access: ClusterAccess): Promise<Subvolume> {
  const what = `reading subvolume ${printPlace(place)}`;
  const { run, connection, context } = access;
  const command: ClusterCommand = {
    target: 'mgr',
    prefix: 'fs subvolume info',
    args: subvolumeArguments(place),
  };
  const result = await run(connection, command, context);
  if (result.exitCode === 0) return parseSubvolume(parseOutput(result, what), what);
  if (isMissing(result, 'subvolume') || isMissing(result, 'group')) return { state: 'absent' };
  if (result.exitCode === EAGAIN) return { state: 'unfinished' };
  throw describeFailure(result, what, place, access);
}

export interface SubvolumeCreation extends SubvolumePlace {
  /** The quota; absent: none. */
  readonly sizeBytes?: bigint;
  /** Data pool for its files; absent: the file system's first. */
  readonly pool?: string;
}

/** Makes a subvolume group; resolves also when it is there. */
export async function ensureGroup({ fsName, group }: GroupPlace, access: ClusterAccess): Promise<void> {
  const args = { vol_name: fsName, group_name: group };
  const command: ClusterCommand = { target: 'mgr', prefix: 'fs subvolumegroup create', args };
  await runCommand(command, `making subvolume group ${fsName}/${group}`, access);
}

/**
 * Makes a subvolume, and its group when that is missing. On one that exists, Ceph changes the quota: look first.
 * @throws DriverError `not-found` when the file system is missing, `invalid-argument` for a pool that it has not.
 */
export async function createSubvolume(creation: SubvolumeCreation, access: ClusterAccess): Promise<void> {
  const { sizeBytes, pool } = creation;
  const args = {
    ...subvolumeArguments(creation),
    ...(sizeBytes === undefined ? {} : { size: Number(sizeBytes) }),
    ...(pool === undefined ? {} : { pool_layout: pool }),
  };
  const command: ClusterCommand = { target: 'mgr', prefix: 'fs subvolume create', args };
  const what = `making subvolume ${printPlace(creation)}`;
  const { run, connection, context } = access;
  const result = await run(connection, command, context);
  if (result.exitCode === 0) return;
  if (!isMissing(result, 'group')) throw describeFailure(result, what, creation, access);
  await ensureGroup(creation, access);
  await runCommand(command, what, access);
}

/** Why a subvolume could not be removed, or that it is gone. */
export type Removal = 'gone' | 'has-snapshots' | 'unfinished';

export interface RemovalOptions {
  /** Keep the snapshots: new volumes can still be made of them. */
  readonly retainSnapshots?: boolean;
  /** Remove also what a failed or cancelled clone left. */
  readonly force?: boolean;
}

/** Removes a subvolume; its files are deleted in the background by the manager. `gone` also when there is none. */
export async function removeSubvolume(
  place: SubvolumePlace,
  options: RemovalOptions,
  access: ClusterAccess,
): Promise<Removal> {
  const args = {
    ...subvolumeArguments(place),
    force: options.force ?? false,
    retain_snapshots: options.retainSnapshots ?? false,
  };
  const { run, connection, context } = access;
  const result = await run(connection, { target: 'mgr', prefix: 'fs subvolume rm', args }, context);
  switch (result.exitCode) {
    case 0:
    case ENOENT:
      return 'gone';
    case ENOTEMPTY:
      return 'has-snapshots';
    case EAGAIN:
      return 'unfinished';
    default:
      throw failureOf(result, { what: `removing subvolume ${printPlace(place)}`, connection });
  }
}

/** Sets the quota, in bytes; never below what is used. */
export async function resizeSubvolume(
  place: SubvolumePlace,
  sizeBytes: bigint,
  access: ClusterAccess,
): Promise<void> {
  const args = { ...subvolumeArguments(place), new_size: String(sizeBytes), no_shrink: true };
  await runCommand(
    { target: 'mgr', prefix: 'fs subvolume resize', args },
    `resizing ${printPlace(place)}`,
    access,
  );
}

/** The names of a group's subvolumes, sorted; none when the group is missing. */
export async function listSubvolumes(place: GroupPlace, access: ClusterAccess): Promise<readonly string[]> {
  const what = `listing the subvolumes of ${place.fsName}/${place.group}`;
  const args = { vol_name: place.fsName, group_name: place.group };
  const { run, connection, context } = access;
  const result = await run(connection, { target: 'mgr', prefix: 'fs subvolume ls', args }, context);
  if (isMissing(result, 'group')) return [];
  if (result.exitCode !== 0) throw describeFailure(result, what, place, access);
  return parseNames(parseOutput(result, what), what);
}

/** The `name` of each item of a listing, sorted. */
export function parseNames(answer: unknown, what: string): readonly string[] {
  const names = requireList(answer, what).map(item => requireText(requireObject(item, what), 'name', what));
  return names.toSorted();
}

export type PinType = 'export' | 'distributed' | 'random';

/** Binds a subvolume's directories to MDS ranks, or frees them (`ceph fs subvolume pin`). */
export async function pinSubvolume(
  place: SubvolumePlace,
  pin: { readonly type: PinType; readonly setting: string },
  access: ClusterAccess,
): Promise<void> {
  const args = { ...subvolumeArguments(place), pin_type: pin.type, pin_setting: pin.setting };
  await runCommand(
    { target: 'mgr', prefix: 'fs subvolume pin', args },
    `pinning ${printPlace(place)}`,
    access,
  );
}

/** The path of a ready subvolume. @throws DriverError `not-found` when it is absent or deleted, `aborted` unfinished. */
export async function requireSubvolume(
  place: SubvolumePlace,
  field: string,
  access: ClusterAccess,
): Promise<ReadySubvolume> {
  const subvolume = await readSubvolume(place, access);
  switch (subvolume.state) {
    case 'ready':
      return subvolume;
    case 'unfinished':
      throw new DriverError('aborted', `${field}: the copy to ${printPlace(place)} is not complete yet`);
    case 'absent':
    case 'retained':
      throw new DriverError('not-found', `${field}: there is no subvolume ${printPlace(place)}`);
  }
}
