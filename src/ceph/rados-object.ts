import { isErrorOfKind } from '../model/errors.ts';
import { ENOENT } from './failure.ts';
import {
  failCommand,
  missingPool,
  operand,
  poolArguments,
  poolSpec,
  requireCeph,
  runCeph,
  type CephCommand,
  type CephSession,
  type PoolRef,
} from './rbd-session.ts';
import type { Operation, OperationName } from './session-operation.ts';

function radosCommand(
  ref: PoolRef,
  args: readonly string[],
  what: string,
  operation?: Operation,
): CephCommand {
  return {
    program: 'rados',
    args: [...poolArguments(ref), ...args],
    what: `rados ${what} in ${poolSpec(ref)}`,
    ...(operation === undefined ? {} : { operation }),
  };
}

/** An operation on an object of that name. */
function operationOn(name: OperationName, ref: PoolRef, object: string, args: object = {}): Operation {
  return { name, args: { ...operand.pool(ref), name: object, ...args } };
}

async function runReading(session: CephSession, command: CephCommand): Promise<string | undefined> {
  const result = await runCeph(session, command);
  if (result.exitCode === 0) return result.stdout;
  // 16.2 exits 1 for most errors, and names the errno in the text: `error getting rbd/x: (2) No such file or directory`;
  // for a key that an object has not, it says `No such key: rbd/x/key` on standard output.
  const isMissing =
    result.exitCode === ENOENT ||
    result.stderr.includes('(2) No such file or directory') ||
    result.stdout.startsWith('No such key:');
  const failure = { ...result, exitCode: isMissing ? ENOENT : result.exitCode };
  if (isMissing && missingPool(failure) === undefined) return undefined;
  throw failCommand(session, command, failure);
}

/** The value of a key of an object's omap; undefined when there is no such object or key. */
export function readOmapValue(
  session: CephSession,
  ref: PoolRef,
  object: string,
  key: string,
): Promise<string | undefined> {
  const args = ['getomapval', object, key, '-'];
  const operation = operationOn('read_omap_value', ref, object, { key });
  return runReading(session, radosCommand(ref, args, `getomapval ${object} ${key}`, operation));
}

export async function writeOmapValue(
  session: CephSession,
  ref: PoolRef,
  object: string,
  key: string,
  value: string,
): Promise<void> {
  const args = ['setomapval', object, key, value];
  const operation = operationOn('write_omap_value', ref, object, { key, value });
  const command = radosCommand(ref, args, `setomapval ${object} ${key}`, operation);
  await requireCeph(session, { ...command, writesTo: [ref.pool] });
}

/** The keys of an object's omap; none where there is no such object. */
export async function listOmapKeys(
  session: CephSession,
  ref: PoolRef,
  object: string,
): Promise<readonly string[]> {
  const operation = operationOn('list_omap_keys', ref, object);
  const command = radosCommand(ref, ['listomapkeys', object], `listomapkeys ${object}`, operation);
  const keys = (await runReading(session, command)) ?? '';
  return keys.split('\n').filter(key => key !== '');
}

/** Removes a key of an object's omap; one that is not there is fine. */
export async function removeOmapKey(
  session: CephSession,
  ref: PoolRef,
  object: string,
  key: string,
): Promise<void> {
  const operation = operationOn('remove_omap_key', ref, object, { key });
  const args = ['rmomapkey', object, key];
  await runReading(session, radosCommand(ref, args, `rmomapkey ${object} ${key}`, operation));
}

/** Removes an object; one that is not there is fine. */
export async function removeObject(session: CephSession, ref: PoolRef, object: string): Promise<void> {
  const command = radosCommand(ref, ['rm', object], `rm ${object}`);
  await runReading(session, { ...command, writesTo: [ref.pool] });
}

/** The first bytes of an object that holds text; undefined when there is none. */
export function readObject(session: CephSession, ref: PoolRef, object: string): Promise<string | undefined> {
  const operation = operationOn('read_object', ref, object);
  return runReading(session, radosCommand(ref, ['get', object, '-'], `get ${object}`, operation));
}

export async function isObjectThere(session: CephSession, ref: PoolRef, object: string): Promise<boolean> {
  const operation = operationOn('stat_object', ref, object);
  const command = radosCommand(ref, ['stat', object], `stat ${object}`, operation);
  return (await runReading(session, command)) !== undefined;
}

/** Milliseconds that those who watch an object have to answer a notification. */
const NOTIFY_TIMEOUT = 2_500;

/**
 * Whether anybody watches the object for real. A client that was killed at the wrong instant stays listed as a
 * watcher until its placement group is loaded anew (tracker.ceph.com/issues/58120), but a notification does not reach
 * it: with nobody else there, the notification is over at once; else it waits, since no client answers one
 * that it does not know. Always a program, since Ceph's Python module does not tell who has answered.
 */
export async function isWatched(session: CephSession, ref: PoolRef, object: string): Promise<boolean> {
  const command = radosCommand(ref, ['notify', object, 'x'], `notify ${object}`);
  try {
    const result = await runCeph(session, { ...command, timeout: NOTIFY_TIMEOUT });
    return result.exitCode !== 0 || result.stdout.trim() !== '';
  } catch (error) {
    if (isErrorOfKind(error, 'deadline-exceeded') && !session.context.signal.aborted) return true;
    throw error;
  }
}
