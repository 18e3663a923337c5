import { execa } from 'execa';
import type { Context } from '../model/call.ts';
import type { Command, Exec } from './command.ts';
import {
  DEFAULT_MAXIMUM_OUTPUT,
  environment,
  GRACE,
  redact,
  requireCaller,
  requireExit,
  withArguments,
} from './program.ts';

export interface ExecOptions {
  /** Called when a program has ended; seconds. For metrics. */
  readonly onEnd?: (program: string, exitCode: number | undefined, seconds: number) => void;
}

/** Starts the program; returns the running subprocess. */
function startProgram(command: Command, context: Context, signal: AbortSignal | undefined) {
  return withArguments(command, ({ args, descriptors }) => {
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
  });
}

/** Runs programs as children of the driver. */
export function createExec(options: ExecOptions = {}): Exec {
  return async (command, context) => {
    const signal = command.uninterruptible === true ? undefined : context.signal;
    requireCaller(command, context.signal);
    const started = performance.now();
    const result = await startProgram(command, context, signal);
    const seconds = (performance.now() - started) / 1000;
    const stderr = redact(command, result.stderr);
    options.onEnd?.(command.program, result.exitCode, seconds);
    context.log.debug(
      {
        program: command.program,
        exitCode: result.exitCode,
        ms: Math.round(seconds * 1000),
        stderr: stderr.slice(-2000),
      },
      'program ended',
    );
    const exitCode = requireExit(command, context.signal, result);
    return { exitCode, stdout: result.stdout, stderr };
  };
}
