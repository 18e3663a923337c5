import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CommandResult } from '../../src/exec/command.ts';
import { createExecStream, type StreamCommand } from '../../src/exec/stream.ts';
import { DriverError } from '../../src/model/errors.ts';
import { createTestContext } from './fake-exec.ts';

const execStream = createExecStream();
const timeout = 60_000;
const ignore = () => undefined;

function shell(script: string): StreamCommand {
  return { program: 'sh', args: ['-c', script], timeout };
}

async function readAll(
  command: StreamCommand,
  context = createTestContext(),
  requireSuccess: (result: CommandResult) => void = ignore,
): Promise<string> {
  let text = '';
  for await (const piece of execStream(command, context, requireSuccess)) text += piece;
  return text;
}

/** A program that tells its process ID first, then prints without end. */
const ENDLESS = 'echo $$; exec yes';

describe('the output of a program', () => {
  it('arrives before the program has ended', async () => {
    const output = execStream(shell('echo first; exec sleep 600'), createTestContext(), ignore);
    expect(await output.next()).toEqual({ done: false, value: 'first\n' });
    await output.return();
  });

  it('may be longer than what is kept elsewhere', async () => {
    let length = 0;
    const command = { program: 'head', args: ['-c', '40000000', '/dev/zero'], timeout };
    for await (const piece of execStream(command, createTestContext(), ignore)) length += piece.length;
    expect(length).toBe(40_000_000);
  });

  it('keeps characters whole', async () => {
    const text = 'ä€😀'.repeat(20_000);
    expect(
      await readAll({ program: 'sh', args: ['-c', `yes ä€😀 | head -n 20000 | tr -d '\\n'`], timeout }),
    ).toBe(text);
  });

  it('is followed by a judgement of how the program ended', async () => {
    const endings: CommandResult[] = [];
    const output = readAll(shell('echo out; echo err >&2; exit 17'), createTestContext(), ending => {
      endings.push(ending);
      throw new DriverError('not-found', 'no such thing');
    });
    await expect(output).rejects.toThrow('no such thing');
    expect(endings).toEqual([{ exitCode: 17, stdout: '', stderr: 'err' }]);
  });
});

describe('a program that is left', () => {
  it('has ended when the iteration has', async () => {
    let pid = '';
    for await (const piece of execStream(shell(ENDLESS), createTestContext(), ignore)) {
      pid = piece.split('\n')[0] ?? '';
      break;
    }
    expect(pid).toMatch(/^[0-9]+$/);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('ends with the call, whose reason the reader is told', async () => {
    const controller = new AbortController();
    const context = createTestContext({ signal: controller.signal });
    let pid = '';
    const reading = (async () => {
      for await (const piece of execStream(shell(ENDLESS), context, ignore)) {
        pid ||= piece.split('\n')[0] ?? '';
        controller.abort(new DriverError('deadline-exceeded', 'the deadline has passed'));
      }
    })();
    await expect(reading).rejects.toMatchObject({
      kind: 'deadline-exceeded',
      message: 'sh was stopped: the deadline has passed',
    });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('is not started for a call that is over', async () => {
    const context = createTestContext({ signal: AbortSignal.abort(), onProcess: () => expect.unreachable() });
    await expect(readAll(shell('true'), context)).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('runs out of time', async () => {
    await expect(readAll({ ...shell('exec sleep 600'), timeout: 100 })).rejects.toMatchObject({
      kind: 'deadline-exceeded',
      message: 'sh did not end within 0.1 s',
    });
  });
});

describe('a program that does not come to its end', () => {
  it('is told when it is not installed', async () => {
    await expect(readAll({ program: 'no-such-program', args: [], timeout })).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
  });

  it('is told when it was killed', async () => {
    await expect(readAll(shell('echo part; kill -9 $$'))).rejects.toMatchObject({
      kind: 'internal',
      message: 'sh was ended by SIGKILL',
    });
  });
});
