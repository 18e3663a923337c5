import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { converse, isListening } from '../../../../src/rbd/node/mappers/qmp.ts';
import { makeDirectory } from './fake-system.ts';

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\n';
const signal = new AbortController().signal;

/** A daemon that answers each command with the next of these lines. */
async function startDaemon(greeting: string, answers: readonly string[] = []): Promise<string> {
  const path = join(makeDirectory(), 'qmp');
  const remaining = [...answers];
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.write(greeting);
    socket.on('data', () => {
      const answer = remaining.shift();
      if (answer === undefined) socket.destroy();
      else socket.write(answer);
    });
  });
  await new Promise<void>(resolve => server.listen(path, () => resolve()));
  onTestFinished(() => {
    server.close();
  });
  return path;
}

describe('the conversation with a QEMU daemon', () => {
  it('gives what a command returns, past events in between', async () => {
    const event = '{"event": "JOB_STATUS_CHANGE", "data": {}}\n';
    const path = await startDaemon(GREETING, ['{"return": {}}\n', `${event}{"return": [1, 2]}\n`]);
    expect(await converse(path, signal, async execute => await execute('query-jobs'))).toEqual([1, 2]);
  });

  it('tells what the daemon refuses, in its words', async () => {
    const refusal = '{"error": {"class": "GenericError", "desc": "Node is in use"}}\n';
    const path = await startDaemon(GREETING, ['{"return": {}}\n', refusal]);
    const talk = converse(path, signal, async execute => await execute('blockdev-del'));
    await expect(talk).rejects.toMatchObject({
      kind: 'internal',
      message: expect.stringContaining('Node is in use') as unknown,
    });
  });

  it('ends when the daemon dies half-way', async () => {
    const path = await startDaemon(GREETING, ['{"return": {}}\n']);
    const talk = converse(path, signal, async execute => await execute('query-jobs'));
    await expect(talk).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('ends when the call is aborted while the daemon says nothing', async () => {
    const path = await startDaemon('');
    const caller = new AbortController();
    const talk = converse(path, caller.signal, async execute => await execute('query-jobs'));
    caller.abort();
    await expect(talk).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('knows whether somebody listens', async () => {
    expect(await isListening(await startDaemon(GREETING))).toBe(true);
    expect(await isListening(join(makeDirectory(), 'nobody'))).toBe(false);
    await expect(converse('/nonexistent/qmp', signal, () => Promise.resolve())).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });
});
