import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import { queryCluster, requireObject, requireText, type ClusterAccess } from './ceph-command.ts';
import { ENOENT, failureOf, parseOutput } from './failure.ts';
import { isUnknownCommand } from './fs-metadata.ts';
import type { GroupPlace } from './fs-subvolume.ts';

/** Subvolumes whose writes are held back together. */
export interface QuiesceSet extends GroupPlace {
  /** One that was never used before: Ceph keeps what became of a set for a while. */
  readonly setId: string;
}

export interface QuiesceRequest extends QuiesceSet {
  /** The names of subvolumes. */
  readonly members: readonly string[];
  /** Seconds within which all clients have to have stopped. */
  readonly timeout: number;
  /** Seconds after which Ceph lets the clients go on by itself. */
  readonly expiration: number;
}

const EPERM = 1;
/** Milliseconds from one question to the next. The manager waits on request, too, but does nothing else meanwhile. */
const POLL_INTERVAL = 50;

/** Seconds: metadata servers refuse a whole number as JSON has it (seen with 20.2). */
const FRACTION = 0.5;

type Arguments = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The first release with `ceph fs quiesce`. */
const FIRST_RELEASE = 19;

/**
 * Whether the programs that are installed are of a release with `ceph fs quiesce`. The clusters decide whether it can be
 * done; but programs that are older belong to clusters that are, too.
 */
export async function isQuiesceKnown(exec: Exec, context: Context): Promise<boolean> {
  try {
    // Of all that are of the same release the one that starts the quickest.
    const { stdout } = await exec({ program: 'rados', args: ['--version'], timeout: 30_000 }, context);
    return Number(/version (\d+)\./.exec(stdout)?.[1]) >= FIRST_RELEASE;
  } catch (error) {
    if (isErrorOfKind(error, 'failed-precondition')) return false;
    throw error;
  }
}

/** The release that the cluster has, as it calls itself. */
async function readRelease(access: ClusterAccess): Promise<string> {
  const what = 'reading the release of the cluster';
  const answer = await queryCluster({ target: 'mon', prefix: 'version', args: {} }, what, access);
  const text = requireText(requireObject(answer, what), 'version', what);
  return /version (\S+)/.exec(text)?.[1] ?? text;
}

/** The state of a set after a command; undefined when there is no such set. */
async function runQuiesce(
  { fsName, group, setId }: QuiesceSet,
  args: Arguments,
  access: ClusterAccess,
): Promise<string | undefined> {
  const what = `quiescing subvolumes of ${fsName}/${group}`;
  const { run, connection, context } = access;
  const named = { vol_name: fsName, group_name: group, set_id: setId, ...args };
  const result = await run(connection, { target: 'mgr', prefix: 'fs quiesce', args: named }, context);
  if (isUnknownCommand(result)) {
    throw new DriverError(
      'failed-precondition',
      `source_volume_ids: the cluster has Ceph ${await readRelease(access)}, and snapshots of several CephFS volumes ` +
        `at one point in time need ${FIRST_RELEASE} or newer ("ceph fs quiesce")`,
    );
  }
  // EPERM: the set is in another state than the one that was asked for, and the answer tells it.
  if (result.exitCode !== 0 && (result.exitCode !== EPERM || result.stdout.trim() === '')) {
    if (result.exitCode === ENOENT && args['release'] === true) return undefined;
    throw failureOf(result, { what, connection });
  }
  const sets = requireObject(requireObject(parseOutput(result, what), what)['sets'], what);
  if (sets[setId] === undefined) return undefined;
  return requireText(requireObject(requireObject(sets[setId], what)['state'], what), 'name', what);
}

/** Runs a command, then asks until the state is another than `pending`. */
async function runUntilSettled(
  set: QuiesceSet,
  args: Arguments,
  pending: string,
  access: ClusterAccess,
): Promise<string> {
  let state = await runQuiesce(set, args, access);
  while (state === pending) {
    await sleep(POLL_INTERVAL, undefined, { signal: access.context.signal }).catch(() => undefined);
    state = await runQuiesce(set, { query: true }, access);
  }
  return state ?? 'forgotten';
}

/**
 * Holds back the writes to subvolumes: resolves when all clients have written out what they had, and write no more.
 * They go on when the set is released, or expires.
 * @throws DriverError `failed-precondition` where Ceph is older than 19, `aborted` when a client did not stop in time.
 */
export async function quiesceSubvolumes(request: QuiesceRequest, access: ClusterAccess): Promise<void> {
  const { members, timeout, expiration } = request;
  const args = { members, timeout: timeout + FRACTION, expiration: expiration + FRACTION };
  const state = await runUntilSettled(request, args, 'QUIESCING', access);
  if (state === 'QUIESCED') return;
  throw new DriverError(
    'aborted',
    `source_volume_ids: the clients of the volumes did not all stop to write within ${timeout} seconds ` +
      `(${state.toLowerCase()}); repeat the call`,
  );
}

/**
 * Lets the clients go on.
 * @throws DriverError `aborted` when some may have written meanwhile: the set had expired, or the metadata servers
 *   do not know it any more.
 */
export async function releaseSubvolumes(set: QuiesceSet, access: ClusterAccess): Promise<void> {
  const state = await runUntilSettled(set, { release: true }, 'RELEASING', access);
  if (state === 'RELEASED') return;
  throw new DriverError(
    'aborted',
    `source_volume_ids: clients may have written while the snapshots were made (${state.toLowerCase()}); repeat the call`,
  );
}
