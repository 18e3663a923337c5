import { execa } from 'execa';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Command, CommandResult } from './command.ts';
import { environment, GRACE, redact, requireCaller, requireExit, withArguments } from './program.ts';
import type { ExecOptions } from './run.ts';

/** A program whose output may be longer than memory holds. */
export type StreamCommand = Omit<Command, 'input' | 'maximumOutput' | 'uninterruptible'>;

/**
 * Runs a program and gives its standard output as it comes; the program waits while nobody takes it. The iteration
 * ends when the program has exited and `requireSuccess`, which is told how (without the output), has not thrown; it
 * throws as `Exec` rejects. Leaving it early ends the program.
 */
export type ExecStream = (
  command: StreamCommand,
  context: Context,
  requireSuccess: (result: CommandResult) => void,
) => AsyncGenerator<string, void, undefined>;

function startProgram(command: StreamCommand, context: Context, signal: AbortSignal) {
  return withArguments(command, ({ args, descriptors }) => {
    context.onProcess?.(command.program);
    return execa(command.program, args, {
      env: environment(command),
      extendEnv: false,
      reject: false,
      timeout: command.timeout,
      forceKillAfterDelay: GRACE,
      cleanup: false,
      buffer: { stdout: false },
      cancelSignal: signal,
      stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
    });
  });
}

/** Runs programs as children of the driver, of which the output is read while they run. */
export function createExecStream(options: ExecOptions = {}): ExecStream {
  return async function* streamOutput(command, context, requireSuccess) {
    requireCaller(command, context.signal);
    const started = performance.now();
    const left = new AbortController();
    const child = startProgram(command, context, AbortSignal.any([context.signal, left.signal]));
    let isRead = false;
    let failure: DriverError | undefined;
    try {
      child.stdout.setEncoding('utf8');
      for await (const chunk of child.stdout) yield chunk as string;
      isRead = true;
    } catch (error) {
      failure = new DriverError('internal', `${command.program}: its output cannot be read`, {
        cause: error,
      });
    } finally {
      if (!isRead) left.abort();
      const { exitCode } = await child;
      const seconds = (performance.now() - started) / 1000;
      options.onEnd?.(command.program, exitCode, seconds);
      const ms = Math.round(seconds * 1000);
      context.log.debug({ program: command.program, exitCode, ms }, 'program ended');
    }
    const result = await child;
    // Reading fails, too, when the program is stopped or runs out of time; that says more.
    if (failure !== undefined && !context.signal.aborted && !result.timedOut) throw failure;
    const exitCode = requireExit(command, context.signal, result);
    requireSuccess({ exitCode, stdout: '', stderr: redact(command, result.stderr) });
  };
}
