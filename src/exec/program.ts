import { closeSync } from 'node:fs';
import { DriverError } from '../model/errors.ts';
import type { Argument, Command } from './command.ts';
import { openSecretFile } from './secret-files.ts';

/** Milliseconds between SIGTERM and SIGKILL. */
export const GRACE = 2_000;
export const DEFAULT_MAXIMUM_OUTPUT = 16 * 1024 * 1024;
/** The first descriptor behind stdin, stdout and stderr. */
const FIRST_EXTRA_DESCRIPTOR = 3;

/** execa's types name the first few descriptors only; spawning takes any. */
export type Descriptor = 3;

interface PreparedArguments {
  readonly args: readonly string[];
  readonly descriptors: readonly Descriptor[];
}

function prepareArguments(args: readonly Argument[]): PreparedArguments {
  const descriptors: Descriptor[] = [];
  const prepared = args.map(argument => {
    if (typeof argument === 'string') return argument;
    descriptors.push(openSecretFile(argument.secret) as Descriptor);
    return `${argument.prefix ?? ''}/proc/self/fd/${FIRST_EXTRA_DESCRIPTOR + descriptors.length - 1}`;
  });
  return { args: prepared, descriptors };
}

/**
 * Has `start` spawn a program with the command's arguments, secrets as inherited descriptors. They are the child's
 * alone afterwards.
 */
export function withArguments<T>(command: Command, start: (prepared: PreparedArguments) => T): T {
  const prepared = prepareArguments(command.args);
  try {
    return start(prepared);
  } finally {
    for (const descriptor of prepared.descriptors) closeSync(descriptor);
  }
}

/** What a program has said, without the secrets that it was given. */
export function redact({ args }: Command, text: string): string {
  const secrets = args.flatMap(argument => (typeof argument === 'string' ? [] : [argument.secret]));
  return secrets.reduce((rest, secret) => secret.redact(rest), text);
}

/** A program's environment is the same wherever the driver runs: messages in English, times in UTC. */
export function environment(command: Command): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...command.env,
  };
}

/** The error that an aborted signal carries, as the caller of a command sees it. */
function describeAbort(command: Command, signal: AbortSignal): DriverError {
  const reason: unknown = signal.reason;
  const kind = reason instanceof DriverError ? reason.kind : 'cancelled';
  const why = reason instanceof DriverError ? reason.message : 'the call was cancelled';
  return new DriverError(kind, `${command.program} was stopped: ${why}`, { cause: reason });
}

/** @throws DriverError when the caller has gone already. */
export function requireCaller(command: Command, signal: AbortSignal): void {
  if (signal.aborted) throw describeAbort(command, signal);
}

/** What execa tells of a program that has ended. */
interface Ending {
  readonly isCanceled: boolean;
  readonly timedOut: boolean;
  readonly isMaxBuffer: boolean;
  readonly exitCode?: number | undefined;
  readonly code?: string | undefined;
  readonly signal?: string | undefined;
}

/** The exit code. @throws DriverError, as `Exec` does, when the program did not come to exit by itself. */
export function requireExit(command: Command, signal: AbortSignal, ending: Ending): number {
  const { program } = command;
  if (ending.isCanceled) throw describeAbort(command, signal);
  if (ending.timedOut) {
    throw new DriverError('deadline-exceeded', `${program} did not end within ${command.timeout / 1000} s`);
  }
  if (ending.isMaxBuffer) {
    throw new DriverError(
      'internal',
      `${program} printed more than ${command.maximumOutput ?? DEFAULT_MAXIMUM_OUTPUT} bytes`,
    );
  }
  if (ending.exitCode !== undefined) return ending.exitCode;
  if (ending.code === 'ENOENT') {
    throw new DriverError('failed-precondition', `the program ${program} is not installed here`);
  }
  const how = ending.signal === undefined ? 'could not be started' : `was ended by ${ending.signal}`;
  throw new DriverError('internal', `${program} ${how}`, { cause: ending });
}
