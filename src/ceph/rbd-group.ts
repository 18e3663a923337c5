import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { isErrorOfKind } from '../model/errors.ts';
import { EEXIST, parseOutput } from './failure.ts';
import { listOmapKeys } from './rados-object.ts';
import { arrayOf, isObject, numberOf, stringOf, type JsonObject } from './rbd-json.ts';
import {
  failCommand,
  imageSpec,
  poolSpec,
  requireUnlessMissing,
  runCeph,
  type CephCommand,
  type CephSession,
  type ImageRef,
  type PoolRef,
} from './rbd-session.ts';

/** A group of images, of which a snapshot can be made at one point in time. An image is in one group at most. */
export interface GroupRef extends PoolRef {
  readonly group: string;
}

/** An image's part of a group's snapshot. It stays when the image leaves the group or is renamed. */
export interface GroupMember extends ImageRef {
  readonly snapshotNumber: bigint;
}

export interface GroupSnapshot {
  /** False: the program that made it was ended before it had them all. */
  readonly isComplete: boolean;
  /** What the snapshots of the images are called. */
  readonly imageSnapshotName: string;
  readonly members: readonly GroupMember[];
}

/** Milliseconds: making and removing waits for a round of the monitors for each image. */
const SNAPSHOT_TIMEOUT = 600_000;

export function groupSpec(ref: GroupRef): string {
  return `${poolSpec(ref)}/${ref.group}`;
}

function groupCommand(args: readonly string[], changes?: PoolRef): CephCommand {
  const command = ['group', ...args];
  return {
    program: 'rbd',
    args: command,
    what: `rbd ${command.join(' ')}`,
    ...(changes === undefined ? {} : { writesTo: [changes.pool], finishes: true }),
  };
}

/**
 * Whether the `rbd` that is installed can restore an image from its part of a group's snapshot, and tell which parts
 * there are: that of Ceph 19.2 and later can, whatever the release of the cluster.
 */
export async function canRestoreFromGroups(exec: Exec, context: Context): Promise<boolean> {
  const help = (...command: string[]) =>
    exec({ program: 'rbd', args: ['help', ...command], timeout: 30_000 }, context);
  try {
    const [clone, info] = await Promise.all([help('clone'), help('group', 'snap', 'info')]);
    return clone.stdout.includes('--snap-id') && info.stdout.includes('group snap info');
  } catch (error) {
    if (isErrorOfKind(error, 'failed-precondition')) return false;
    throw error;
  }
}

/** The names of a pool's groups, from the object that Ceph itself finds them by: no process where a connection is open. */
export async function listGroups(session: CephSession, ref: PoolRef): Promise<readonly string[]> {
  const prefix = 'name_';
  const keys = await listOmapKeys(session, ref, 'rbd_group_directory');
  return keys.filter(key => key.startsWith(prefix)).map(key => key.slice(prefix.length));
}

/** Makes a group, unless there is one of that name. */
export async function ensureGroup(session: CephSession, ref: GroupRef): Promise<void> {
  const command = groupCommand(['create', groupSpec(ref)], ref);
  const result = await runCeph(session, command);
  if (result.exitCode !== 0 && result.exitCode !== EEXIST) throw failCommand(session, command, result);
}

/** Removes a group, and all its snapshots; one that is not there is fine. */
export async function removeGroup(session: CephSession, ref: GroupRef): Promise<void> {
  await requireUnlessMissing(session, {
    ...groupCommand(['rm', groupSpec(ref)], ref),
    timeout: SNAPSHOT_TIMEOUT,
  });
}

/** @returns false when the image is in another group. */
export async function addToGroup(session: CephSession, ref: GroupRef, image: ImageRef): Promise<boolean> {
  const command = groupCommand(['image', 'add', groupSpec(ref), imageSpec(image)], ref);
  const result = await runCeph(session, command);
  if (result.exitCode === EEXIST) return false;
  if (result.exitCode !== 0) throw failCommand(session, command, result);
  return true;
}

/** Takes an image out of a group; one that is not in it is fine. */
export async function removeFromGroup(session: CephSession, ref: GroupRef, image: ImageRef): Promise<void> {
  await requireUnlessMissing(session, groupCommand(['image', 'rm', groupSpec(ref), imageSpec(image)], ref));
}

function readImageRef(value: JsonObject, key: { readonly image: string; readonly pool: string }): ImageRef {
  const namespace = stringOf(value, 'namespace');
  return {
    pool: stringOf(value, key.pool),
    ...(namespace === '' ? {} : { namespace }),
    image: stringOf(value, key.image),
  };
}

/** The images that are in a group now; none where there is no such group. */
export async function listGroupImages(session: CephSession, ref: GroupRef): Promise<readonly ImageRef[]> {
  const command = groupCommand(['image', 'ls', groupSpec(ref), '--format', 'json']);
  const result = await requireUnlessMissing(session, command);
  // Of a group that is not there, 20.2 says so on standard error, and exits 0.
  if (result === undefined || result.stdout.trim() === '') return [];
  const images = arrayOf(parseOutput(result, command.what), command.what);
  return images.map(value => readImageRef(value, { image: 'image', pool: 'pool' }));
}

/** The group that an image is in. */
export async function findGroup(session: CephSession, image: ImageRef): Promise<GroupRef | undefined> {
  const what = `rbd info ${imageSpec(image)}`;
  const args = ['info', imageSpec(image), '--format', 'json'];
  const result = await requireUnlessMissing(session, { program: 'rbd', args, what });
  const info = result === undefined ? undefined : parseOutput(result, what);
  if (!isObject(info) || typeof info['group'] !== 'string') return undefined;
  // `pool/group` or `pool/namespace/group`.
  const [pool, ...rest] = info['group'].split('/');
  const group = rest.pop();
  if (pool === undefined || group === undefined) return undefined;
  const [namespace] = rest;
  return { pool, ...(namespace === undefined ? {} : { namespace }), group };
}

/**
 * Makes a snapshot of all images of the group: no write that comes after it in time is in one image's part, unless all
 * writes before it are in the others'.
 * @returns false when there is one of that name, complete or not.
 */
export async function createGroupSnapshot(
  session: CephSession,
  ref: GroupRef,
  name: string,
): Promise<boolean> {
  const command = groupCommand(['snap', 'create', `${groupSpec(ref)}@${name}`], ref);
  const result = await runCeph(session, { ...command, timeout: SNAPSHOT_TIMEOUT });
  if (result.exitCode === EEXIST) return false;
  if (result.exitCode !== 0) throw failCommand(session, command, result);
  return true;
}

/** Removes a group's snapshot, also one that is not complete; one that is not there is fine. */
export async function removeGroupSnapshot(session: CephSession, ref: GroupRef, name: string): Promise<void> {
  await requireUnlessMissing(session, {
    ...groupCommand(['snap', 'rm', `${groupSpec(ref)}@${name}`], ref),
    timeout: SNAPSHOT_TIMEOUT,
  });
}

function readMember(value: JsonObject): GroupMember {
  const image = readImageRef(value, { image: 'image_name', pool: 'pool_name' });
  return { ...image, snapshotNumber: BigInt(numberOf(value, 'snap_id')) };
}

/** A group's snapshot, or undefined when there is no such group or snapshot. */
export async function readGroupSnapshot(
  session: CephSession,
  ref: GroupRef,
  name: string,
): Promise<GroupSnapshot | undefined> {
  const command = groupCommand(['snap', 'info', `${groupSpec(ref)}@${name}`, '--format', 'json']);
  const result = await requireUnlessMissing(session, command);
  if (result === undefined) return undefined;
  const value = parseOutput(result, command.what);
  const fields = isObject(value) ? value : {};
  return {
    isComplete: stringOf(fields, 'state') === 'complete',
    imageSnapshotName: stringOf(fields, 'image_snap_name'),
    members: arrayOf(fields['images'], command.what).map(readMember),
  };
}
