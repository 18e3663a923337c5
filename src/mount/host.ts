import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, CommandResult, Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { readMounts, type Mount } from './mountinfo.ts';

/** The node that the functions of this folder work on, on behalf of one call. */
export interface Host {
  readonly exec: Exec;
  readonly context: Context;
  /** What is mounted now; default: /proc/self/mountinfo. */
  readonly readMounts?: () => Promise<readonly Mount[]>;
}

/** Milliseconds for programs that do one quick thing. */
export const QUICK = 30_000;

/** What is mounted at this moment; asked anew each time, since anybody can mount. */
export async function listMounts(host: Host): Promise<readonly Mount[]> {
  return await (host.readMounts ?? readMounts)();
}

/** What a failed program said, for an error message. */
export function describeFailure(command: Command, result: CommandResult): string {
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-1000);
  return `${command.program} exited ${result.exitCode}${said === '' ? '' : `: ${said}`}`;
}

/**
 * Runs a program whose exit code must be 0, and resolves to what it printed.
 * @throws DriverError `internal` with the program's own words otherwise.
 */
export async function requireOutput(command: Command, host: Host): Promise<string> {
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0) return result.stdout;
  throw new DriverError('internal', describeFailure(command, result));
}

/** Waits; ends early without an error when the call is aborted, for the next program to say why. */
export async function pause(milliseconds: number, host: Host): Promise<void> {
  await sleep(milliseconds, undefined, { signal: host.context.signal }).catch(() => undefined);
}

/**
 * The same host for work that must be finished once it has begun, however long the caller still listens: what
 * runs there is bounded by its own timeouts only.
 */
export function withoutDeadline(host: Host): Host {
  return { ...host, context: { ...host.context, signal: new AbortController().signal } };
}
