import type { CommandResult, Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { connectionArguments, type Connection } from './connection.ts';
import { failureOf, parseOutput } from './failure.ts';
import type { SessionServers } from './session-servers.ts';

export type CommandArgument = string | number | boolean | readonly string[];

/** A command of the monitors or the manager, by the names that its JSON form has. Absent and false are the same. */
export interface ClusterCommand {
  /** Who answers it: a monitor or the manager. */
  readonly target: 'mon' | 'mgr';
  readonly prefix: string;
  readonly args: Readonly<Partial<Record<string, CommandArgument>>>;
}

/**
 * Has a cluster run a command and resolves to what came of it, whatever the exit code (an errno): JSON on `stdout`,
 * the reason of a failure on `stderr`. Rejects as `Exec` does.
 */
export type CommandRunner = (
  connection: Connection,
  command: ClusterCommand,
  context: Context,
) => Promise<CommandResult>;

/** A cluster, as one call works with it. */
export interface ClusterAccess {
  readonly run: CommandRunner;
  readonly connection: Connection;
  readonly context: Context;
}

/** Milliseconds; the manager makes and removes subvolumes one after the other. */
export const COMMAND_TIMEOUT = 60_000;

function commandLine({ prefix, args }: ClusterCommand): readonly string[] {
  const named = Object.entries(args).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    const values = typeof value === 'object' ? value : [value];
    return values.map(item => `--${name}=${String(item)}`);
  });
  return [...prefix.split(' '), ...named];
}

/** Where no monitor was reached, or none let the user in: `ceph` exits 1 then, and the errno stands in the text. */
const NOT_CONNECTED = /\[errno (\d+)\] .*\(error connecting to the cluster\)/;

/** Runs each command in a `ceph` process of its own: 200 ms, nearly all of it Python. */
export function createProcessRunner(exec: Exec): CommandRunner {
  return async (connection, command, context) => {
    const args = [...connectionArguments(connection), '--format', 'json', ...commandLine(command)];
    const result = await exec({ program: 'ceph', args, timeout: COMMAND_TIMEOUT }, context);
    const errno = NOT_CONNECTED.exec(result.stderr)?.[1];
    if (errno === undefined) return result;
    const what = `ceph ${command.prefix}`;
    throw failureOf({ ...result, exitCode: Number(errno) }, { what, connection });
  };
}

/** Runs commands over connections that stay open: 5 ms. Where that is not possible, each in a process. */
export function createSessionRunner(servers: SessionServers, exec: Exec): CommandRunner {
  const runProcess = createProcessRunner(exec);
  return async (connection, command, context) => {
    const { target, prefix, args } = command;
    const request = {
      name: target === 'mgr' ? 'manager_command' : 'monitor_command',
      args: { command: { prefix, format: 'json', ...args } },
      what: `ceph ${prefix}`,
      timeout: COMMAND_TIMEOUT,
    } as const;
    return (
      (await servers.run(connection, request, context)) ?? (await runProcess(connection, command, context))
    );
  };
}

/** Runs a command. @throws DriverError by the exit code (`failureOf`); `what` begins the message. */
export async function runCommand(
  command: ClusterCommand,
  what: string,
  access: ClusterAccess,
): Promise<CommandResult> {
  const { run, connection, context } = access;
  const result = await run(connection, command, context);
  if (result.exitCode !== 0) throw failureOf(result, { what, connection });
  return result;
}

/** The JSON that a command answers. @throws DriverError as `runCommand`, or `internal` when it is none. */
export async function queryCluster(
  command: ClusterCommand,
  what: string,
  access: ClusterAccess,
): Promise<unknown> {
  return parseOutput(await runCommand(command, what, access), what);
}

type Fields = Readonly<Partial<Record<string, unknown>>>;

/** An answer's fields. @throws DriverError `internal` when it is no object. */
export function requireObject(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new DriverError('internal', `${what}: the answer is not an object`);
}

/** An answer's items. @throws DriverError `internal` when it is no list. */
export function requireList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new DriverError('internal', `${what}: the answer is not a list`);
}

/** A text of an answer. @throws DriverError `internal` when it is missing. */
export function requireText(fields: Fields, name: string, what: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw new DriverError('internal', `${what}: the answer has no text "${name}"`);
}
