import { closeSync } from 'node:fs';
import { execa } from 'execa';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Argument, Command, CommandResult, Exec } from './command.ts';
import { openSecretFile } from './secret-files.ts';

const DEFAULT_MAXIMUM_OUTPUT = 16 * 1024 * 1024;
/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 2_000;
/** The first descriptor behind stdin, stdout and stderr. */
const FIRST_EXTRA_DESCRIPTOR = 3;

export interface ExecOptions {
  /** Called when a program has ended; seconds. For metrics. */
  readonly onEnd?: (program: string, exitCode: number | undefined, seconds: number) => void;
}

/** execa's types name the first few descriptors only; spawning takes any. */
type Descriptor = 3;

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

/** A program's environment is the same wherever the driver runs: messages in English, times in UTC. */
function environment(command: Command): Record<string, string> {
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

/** Starts the program; returns the running subprocess. The secrets' descriptors are the child's alone afterwards. */
function startProgram(command: Command, context: Context, signal: AbortSignal | undefined) {
  const { args, descriptors } = prepareArguments(command.args);
  try {
    context.onProcess?.(command.program);
    return execa(command.program, args, {
      env: environment(command),
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      timeout: command.timeout,
      forceKillAfterDelay: GRACE,
      maxBuffer: command.maximumOutput ?? DEFAULT_MAXIMUM_OUTPUT,
      cleanup: false,
      ...(command.input === undefined ? {} : { input: command.input }),
      ...(signal === undefined ? {} : { cancelSignal: signal }),
      stdio: [command.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...descriptors],
    });
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

function requireEnd(
  command: Command,
  context: Context,
  result: Awaited<ReturnType<typeof startProgram>>,
): CommandResult {
  const { program } = command;
  if (result.isCanceled) throw describeAbort(command, context.signal);
  if (result.timedOut) {
    throw new DriverError('deadline-exceeded', `${program} did not end within ${command.timeout / 1000} s`);
  }
  if (result.isMaxBuffer) {
    throw new DriverError(
      'internal',
      `${program} printed more than ${command.maximumOutput ?? DEFAULT_MAXIMUM_OUTPUT} bytes`,
    );
  }
  if (result.exitCode === undefined) {
    if (result.code === 'ENOENT') {
      throw new DriverError('failed-precondition', `the program ${program} is not installed here`);
    }
    const how = result.signal === undefined ? 'could not be started' : `was ended by ${result.signal}`;
    throw new DriverError('internal', `${program} ${how}`, { cause: result });
  }
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

/** Runs programs as children of the driver. */
export function createExec(options: ExecOptions = {}): Exec {
  return async (command, context) => {
    const signal = command.uninterruptible === true ? undefined : context.signal;
    if (context.signal.aborted) throw describeAbort(command, context.signal);
    const started = performance.now();
    const result = await startProgram(command, context, signal);
    const seconds = (performance.now() - started) / 1000;
    options.onEnd?.(command.program, result.exitCode, seconds);
    context.log.debug(
      {
        program: command.program,
        exitCode: result.exitCode,
        ms: Math.round(seconds * 1000),
        stderr: result.stderr.slice(-2000),
      },
      'program ended',
    );
    return requireEnd(command, context, result);
  };
}
