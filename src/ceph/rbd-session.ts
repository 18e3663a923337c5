import type { CommandResult, Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { connectionArguments, type Connection } from './connection.ts';
import { failureOf } from './failure.ts';
import { abortWhenFull } from './pool-fullness.ts';

/** A cluster to talk to, as whom, and on whose behalf: the first argument of every command's function. */
export interface CephSession {
  readonly exec: Exec;
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

export interface CephCommand {
  readonly program: 'rbd' | 'rados' | 'ceph';
  readonly args: readonly string[];
  /** What is attempted, for the error: `rbd info on rbd/csi-vol-a`. */
  readonly what: string;
  readonly input?: Uint8Array;
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

/** Runs a Ceph program and gives its result, whatever the exit code. */
export async function runCeph(session: CephSession, command: CephCommand): Promise<CommandResult> {
  const { exec, connection, context } = session;
  const full = new AbortController();
  const ended = new AbortController();
  const callers = command.finishes === true ? [] : [context.signal];
  if (context.signal.aborted) callers.push(context.signal);
  if (command.writesTo !== undefined) abortWhenFull(session, command.writesTo, full, ended.signal);
  try {
    return await exec(
      {
        program: command.program,
        args: [...connectionArguments(connection), ...command.args],
        timeout: command.timeout ?? TIMEOUT,
        ...(command.input === undefined ? {} : { input: command.input }),
        ...(command.maximumOutput === undefined ? {} : { maximumOutput: command.maximumOutput }),
      },
      { ...context, signal: AbortSignal.any([...callers, full.signal]) },
    );
  } finally {
    ended.abort();
  }
}

/** The error of a command that ended with an exit code that its function has no meaning for. */
export function failCommand(session: CephSession, command: CephCommand, result: CommandResult): DriverError {
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
 * Exit code 2 of `rbd` and `rados` stands for a missing image as for a missing pool or namespace; only the text
 * tells them apart (16.2: `error opening pool 'x': (2)…`, `namespace 'x' does not exist.`, `data pool x does not exist`).
 */
export function missingPool(result: CommandResult): string | undefined {
  if (result.exitCode !== 2) return undefined;
  const pool = /data pool (\S+) does not exist|error opening pool '?([^':]+)'?:/.exec(result.stderr);
  if (pool !== null) return `there is no pool "${pool[1] ?? pool[2] ?? ''}"`;
  const namespace = /namespace '([^']*)' does not exist/.exec(result.stderr);
  return namespace === null ? undefined : `there is no RADOS namespace "${namespace[1] ?? ''}"`;
}
