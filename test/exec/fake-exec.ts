import { expect } from 'vitest';
import type { Argument, Command, CommandResult, Exec } from '../../src/exec/command.ts';
import type { Context } from '../../src/model/call.ts';

/** An expected call: the program with its arguments (`***` stands for a secret's file), and what it answers. */
export interface ScriptedCall {
  readonly argv: readonly (string | RegExp)[];
  readonly exitCode?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Thrown instead of a result. */
  readonly error?: Error;
}

export interface FakeExec {
  readonly exec: Exec;
  /** The commands that were run, in order. */
  readonly commands: readonly Command[];
  /** Fails when a scripted call was not made. Call it at the end of the test. */
  expectAllUsed(): void;
}

function printArgument(argument: Argument): string {
  return typeof argument === 'string' ? argument : `${argument.prefix ?? ''}***`;
}

function matches(expected: readonly (string | RegExp)[], actual: readonly string[]): boolean {
  return (
    expected.length === actual.length &&
    expected.every((part, index) => {
      const given = actual[index] ?? '';
      return typeof part === 'string' ? part === given : part.test(given);
    })
  );
}

/** An Exec that plays a script: a call that is not the next one expected fails the test. */
export function createFakeExec(
  script: readonly ScriptedCall[],
  options: { readonly dropConnection?: boolean } = {},
): FakeExec {
  const remaining = [...script];
  const commands: Command[] = [];

  function argvOf(command: Command): readonly string[] {
    const args = command.args.map(printArgument);
    const end = args.indexOf('--client-mount-timeout');
    const start = args.indexOf('--conf');
    const isConnection = options.dropConnection !== false && start !== -1 && end > start;
    if (isConnection) args.splice(start, end + 2 - start);
    return [command.program, ...args];
  }

  return {
    commands,
    exec: (command: Command): Promise<CommandResult> => {
      commands.push(command);
      const argv = argvOf(command);
      const next = remaining.shift();
      if (next === undefined || !matches(next.argv, argv)) {
        expect(argv, 'the next program run').toEqual(next?.argv ?? 'no program');
        throw new Error(`unexpected program: ${argv.join(' ')}`);
      }
      if (next.error !== undefined) return Promise.reject(next.error);
      return Promise.resolve({
        exitCode: next.exitCode ?? 0,
        stdout: next.stdout ?? '',
        stderr: next.stderr ?? '',
      });
    },
    expectAllUsed() {
      expect(
        remaining.map(call => call.argv),
        'programs that were expected and not run',
      ).toEqual([]);
    },
  };
}

/** A context that never aborts and logs nothing. */
export function createTestContext(overrides: Partial<Context> = {}): Context {
  const ignore = () => undefined;
  return {
    signal: new AbortController().signal,
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    ...overrides,
  };
}
