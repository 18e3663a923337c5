import type { CommandResult, Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { connectionArguments, type Connection } from './connection.ts';
import { ENOENT, failureOf } from './failure.ts';
import { abortWhenFull } from './pool-fullness.ts';
import { isChange, type Operation } from './session-operation.ts';
import type { SessionServers } from './session-servers.ts';

/** A cluster to talk to, as whom, and on whose behalf: the first argument of every command's function. */
export interface CephSession {
  readonly exec: Exec;
  /** Does what has an operation; absent: programs do everything. */
  readonly servers?: SessionServers;
  readonly connection: Connection;
  readonly context: Context;
}

/** A pool, or one RADOS namespace of it. */
export interface PoolRef {
  readonly pool: string;
  /** Absent: the default one. */
  readonly namespace?: string;
}

export interface ImageRef extends PoolRef {
  readonly image: string;
}

/** An image by the ID that stays when it is renamed or in the trash. */
export interface ImageIdRef extends PoolRef {
  readonly imageId: string;
}

/** What is attempted, and what ends the attempt. */
export interface Attempt {
  /** For the error: `rbd info on rbd/csi-vol-a`. */
  readonly what: string;
  /**
   * Pools that are written to. Ceph lets a write to a full pool wait for ever, so these are looked at when the
   * command takes long.
   */
  readonly writesTo?: readonly string[];
  /**
   * Not stopped when the call ends: a client that is stopped half-way leaves its lock and its watch behind, and
   * everybody else waits 30 s for them.
   */
  readonly finishes?: boolean;
  /** Milliseconds; 60 s when absent. */
  readonly timeout?: number;
}

export interface CephCommand extends Attempt {
  readonly program: 'rbd' | 'rados' | 'ceph';
  readonly args: readonly string[];
  /** The same as an operation of a session's server, whose result has the same form: exit code, JSON, reason. */
  readonly operation?: Operation;
  readonly input?: Uint8Array;
  /** Bytes of output to accept. */
  readonly maximumOutput?: number;
}

const TIMEOUT = 60_000;

export function poolSpec(ref: PoolRef): string {
  return ref.namespace === undefined ? ref.pool : `${ref.pool}/${ref.namespace}`;
}

export function imageSpec(ref: ImageRef): string {
  return `${poolSpec(ref)}/${ref.image}`;
}

/** `--pool P [--namespace N]`, for commands that take an image by its ID. */
export function poolArguments(ref: PoolRef): readonly string[] {
  return ['--pool', ref.pool, ...(ref.namespace === undefined ? [] : ['--namespace', ref.namespace])];
}

function placeOf({ pool, namespace }: PoolRef): PoolRef {
  return { pool, ...(namespace === undefined ? {} : { namespace }) };
}

/** The refs of an operation's arguments, which whoever calls has often added something to. */
export const operand = {
  pool: (ref: PoolRef) => ({ ref: placeOf(ref) }),
  image: (ref: ImageRef) => ({ ref: { ...placeOf(ref), image: ref.image } }),
  imageId: (ref: ImageIdRef) => ({ ref: { ...placeOf(ref), imageId: ref.imageId } }),
} as const;

/** Has `run` do the command, with a signal that says when to leave it. */
async function whileWanted<T>(
  session: CephSession,
  command: Attempt,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { context } = session;
  const full = new AbortController();
  const ended = new AbortController();
  const callers = command.finishes === true && !context.signal.aborted ? [] : [context.signal];
  if (command.writesTo !== undefined) abortWhenFull(session, command.writesTo, full, ended.signal);
  try {
    return await run(AbortSignal.any([...callers, full.signal]));
  } finally {
    ended.abort();
  }
}

/** Runs an operation where a session's server can; resolves to undefined where a program has to do the same. */
export async function tryOperation(
  session: CephSession,
  command: Attempt & { readonly operation: Operation },
): Promise<CommandResult | undefined> {
  const { servers, connection, context } = session;
  if (servers === undefined) return undefined;
  const { operation, what, timeout = TIMEOUT } = command;
  const bounds = isChange(operation) ? { ...command, finishes: true } : command;
  return await whileWanted(session, bounds, signal =>
    servers.run(connection, { ...operation, what, timeout }, { ...context, signal }),
  );
}

async function runProgram(session: CephSession, command: CephCommand): Promise<CommandResult> {
  const { exec, connection, context } = session;
  return await whileWanted(session, command, signal =>
    exec(
      {
        program: command.program,
        args: [...connectionArguments(connection), ...command.args],
        timeout: command.timeout ?? TIMEOUT,
        ...(command.input === undefined ? {} : { input: command.input }),
        ...(command.maximumOutput === undefined ? {} : { maximumOutput: command.maximumOutput }),
      },
      { ...context, signal },
    ),
  );
}

/** Has a Ceph command done, by a session's server or a program, and gives its result, whatever the exit code. */
export async function runCeph(session: CephSession, command: CephCommand): Promise<CommandResult> {
  const { operation } = command;
  const result = operation === undefined ? undefined : await tryOperation(session, { ...command, operation });
  return result ?? (await runProgram(session, command));
}

/** The error of a command that ended with an exit code that its function has no meaning for. */
export function failCommand(session: CephSession, command: Attempt, result: CommandResult): DriverError {
  const missing = missingPool(result);
  if (missing !== undefined) return new DriverError('not-found', `${command.what}: ${missing}`);
  return failureOf(result, { what: command.what, connection: session.connection });
}

/** As `failCommand`, of a command that makes an image: the pool is what the request asked for. */
export function failCreation(session: CephSession, command: CephCommand, result: CommandResult): DriverError {
  const missing = missingPool(result);
  return missing === undefined
    ? failCommand(session, command, result)
    : new DriverError('invalid-argument', `${command.what}: ${missing}`);
}

/** Runs a Ceph program that has to succeed. @throws DriverError what its exit code stands for. */
export async function requireCeph(session: CephSession, command: CephCommand): Promise<CommandResult> {
  const result = await runCeph(session, command);
  if (result.exitCode !== 0) throw failCommand(session, command, result);
  return result;
}

/**
 * The result of an attempt on something that may not be there: undefined then.
 * @throws DriverError what its exit code stands for; `not-found` when the pool or namespace is missing.
 */
export function unlessMissing(
  session: CephSession,
  command: Attempt,
  result: CommandResult,
): CommandResult | undefined {
  if (result.exitCode === 0) return result;
  if (result.exitCode === ENOENT && missingPool(result) === undefined) return undefined;
  throw failCommand(session, command, result);
}

/** As `requireCeph`, of a command about something that may not be there: undefined then. */
export async function requireUnlessMissing(
  session: CephSession,
  command: CephCommand,
): Promise<CommandResult | undefined> {
  return unlessMissing(session, command, await runCeph(session, command));
}

/**
 * Exit code 2 of `rbd` and `rados` stands for a missing image as for a missing pool or namespace; only the text
 * tells them apart (16.2: `error opening pool 'x': (2)…`, `namespace 'x' does not exist.`, `data pool x does not exist`).
 */
export function missingPool(result: CommandResult): string | undefined {
  if (result.exitCode !== ENOENT) return undefined;
  const pool = /data pool (\S+) does not exist|error opening pool '?([^':]+)'?:/.exec(result.stderr);
  if (pool !== null) return `there is no pool "${pool[1] ?? pool[2] ?? ''}"`;
  const namespace = /namespace '([^']*)' does not exist/.exec(result.stderr);
  return namespace === null ? undefined : `there is no RADOS namespace "${namespace[1] ?? ''}"`;
}
