import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OPERATIONS, type OperationRequest } from '../../src/ceph/session-operation.ts';
import { createSessionServers } from '../../src/ceph/session-servers.ts';
import type { LineServerCommand, StartLineServer } from '../../src/exec/line-server.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const connection = { monitors: ['mon:6789'], userId: 'admin', key: new Secret('the key') };
const reading: OperationRequest = {
  name: 'image_info',
  args: { ref: { pool: 'rbd', image: 'a' } },
  what: 'rbd info rbd/a',
  timeout: 60_000,
};
const writing: OperationRequest = { ...reading, name: 'grow_image', what: 'growing image rbd/a' };
const context = createTestContext();
const done = { exitCode: 0, stdout: '{}', stderr: '' };

interface Started {
  readonly command: LineServerCommand;
  readonly lines: string[];
  isStopped: boolean;
  isKilled: boolean;
  /** Says something as the program would. */
  say(message: object): void;
}

/** Servers that say only what a test lets them say. */
function createServers(options: { readonly isRequired?: boolean } = {}) {
  const started: Started[] = [];
  const start: StartLineServer = command => {
    const entry: Started = {
      command,
      lines: [],
      isStopped: false,
      isKilled: false,
      say: message => command.onLine(JSON.stringify(message)),
    };
    started.push(entry);
    return {
      send: line => void entry.lines.push(line),
      stop() {
        entry.isStopped = true;
      },
      kill() {
        entry.isKilled = true;
        command.onEnd('python3 was ended by SIGKILL');
      },
    };
  };
  const servers = createSessionServers(start, options);
  const run = (...args: Parameters<typeof servers.run>) => servers.run(...args);
  const server = (index: number): Started => {
    const found = started[index];
    if (found === undefined) throw new Error(`there is no server ${index}`);
    return found;
  };
  return { run, started, server };
}

/** Lets promises that are settled have their effect. */
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('the program knows the operations', async () => {
  const file = new URL('../../src/ceph/session/operations.py', import.meta.url);
  const listed = (await readFile(file, 'utf8')).matchAll(/^ {8}\w+\.(\w+),$/gm);
  expect([...listed].map(([, name]) => name)).toEqual(Object.keys(OPERATIONS));
});

describe('operations over a connection that stays open', () => {
  it('share it, and get their own answers, in any order', async () => {
    const { run, started, server } = createServers();
    const first = run(connection, reading, context);
    const second = run(connection, writing, context);
    server(0).say({ ready: true });
    server(0).say({ id: 2, code: 2, out: '', reason: 'does not exist' });
    server(0).say({ id: 1, code: 0, out: '{}', reason: '' });
    await expect(first).resolves.toEqual(done);
    await expect(second).resolves.toEqual({ exitCode: 2, stdout: '', stderr: 'does not exist' });
    expect(started).toHaveLength(1);
    expect(JSON.parse(server(0).lines[1] ?? '')).toEqual({
      id: 1,
      operation: 'image_info',
      args: { ref: { pool: 'rbd', image: 'a' } },
    });
  });

  it('never have the key among the arguments', () => {
    const { run, server } = createServers();
    void run(connection, reading, context);
    expect(JSON.stringify(server(0).command.args)).not.toContain('the key');
    expect(server(0).lines[0]).toContain('the key');
  });

  it('have a connection for each user and key; processes do what goes beyond eight', async () => {
    const { run, started } = createServers();
    void run(connection, reading, context);
    void run({ ...connection, userId: 'other' }, reading, context);
    for (let count = 0; count < 6; count++) {
      void run({ ...connection, key: new Secret(`key ${count}`) }, reading, context);
    }
    expect(started).toHaveLength(8);
    await expect(
      run({ ...connection, key: new Secret('one more') }, reading, context),
    ).resolves.toBeUndefined();
  });

  it('fail when the cluster refuses the user', async () => {
    const { run, server } = createServers();
    const running = run(connection, reading, context);
    const reason = '[errno 13] RADOS permission denied (error connecting to the cluster)';
    server(0).say({ refused: 13, reason });
    await expect(running).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('close it when nobody has used it for long', async () => {
    const { run, server } = createServers();
    const running = run(connection, { ...writing, timeout: 3_600_000 }, context);
    vi.advanceTimersByTime(1_000_000);
    expect(server(0).isStopped).toBe(false);
    server(0).say({ id: 1, code: 0, out: '', reason: '' });
    await running;
    vi.advanceTimersByTime(300_000);
    expect(server(0).isStopped).toBe(true);
  });
});

describe('when the connection breaks', () => {
  it('processes read once more, and nobody repeats a change; the next ones have a new connection', async () => {
    const { run, started, server } = createServers();
    const read = run(connection, reading, context);
    const written = run(connection, writing, context);
    server(0).say({ ready: true });
    server(0).command.onEnd('python3 was ended by SIGKILL');
    await expect(read).resolves.toBeUndefined();
    await expect(written).rejects.toMatchObject({ kind: 'unavailable' });
    void run(connection, reading, context);
    expect(started).toHaveLength(2);
  });

  it('processes do all for a while where no server can work', async () => {
    const { run, started, server } = createServers();
    const running = run(connection, writing, context);
    server(0).command.onEnd("python3 exited 1: ModuleNotFoundError: No module named 'rbd'");
    await expect(running).resolves.toBeUndefined();
    await expect(run(connection, reading, context)).resolves.toBeUndefined();
    expect(started).toHaveLength(1);
    vi.advanceTimersByTime(600_000);
    void run(connection, reading, context);
    expect(started).toHaveLength(2);
  });

  it('nothing is left to processes where connections are required', async () => {
    const { run, server } = createServers({ isRequired: true });
    const running = run(connection, reading, context);
    server(0).command.onEnd("python3 exited 1: ModuleNotFoundError: No module named 'rbd'");
    await expect(running).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining("No module named 'rbd'") as string,
    });
    await expect(run(connection, reading, context)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('when a call ends early', () => {
  it('reading is left; a server that was silent for long is killed when nobody needs it any more', async () => {
    const { run, server, started } = createServers();
    const quick = new AbortController();
    const first = run(connection, reading, createTestContext({ signal: quick.signal }));
    server(0).say({ ready: true });
    quick.abort(new DriverError('cancelled', 'gone'));
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    expect(server(0).isKilled).toBe(false);

    const written = run(connection, writing, context);
    const slow = new AbortController();
    const second = run(connection, reading, createTestContext({ signal: slow.signal }));
    vi.advanceTimersByTime(10_000);
    slow.abort(new DriverError('deadline-exceeded', 'too late'));
    await expect(second).rejects.toMatchObject({ kind: 'deadline-exceeded' });
    void run(connection, reading, context);
    expect(started).toHaveLength(2);
    expect(server(0).isKilled).toBe(false);
    server(0).say({ id: 2, code: 0, out: '{}', reason: '' });
    await expect(written).resolves.toEqual(done);
    expect(server(0).isKilled).toBe(true);
  });

  it('a change has two seconds to end', async () => {
    const { run, server } = createServers();
    const running = run(connection, writing, context);
    const outcome = running.catch((error: unknown) => error);
    let isSettled = false;
    void outcome.then(() => (isSettled = true));
    server(0).say({ ready: true });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(isSettled).toBe(false);
    server(0).say({ id: 1, code: 0, out: '', reason: '' });
    await expect(outcome).resolves.toMatchObject({ kind: 'deadline-exceeded' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server(0).isKilled).toBe(false);
  });

  it('a change that does not end then is ended with its server; the others have five seconds more', async () => {
    const { run, server, started } = createServers();
    const full = new AbortController();
    const stuck = run(connection, writing, createTestContext({ signal: full.signal })).catch(
      (error: unknown) => error,
    );
    const other = run(connection, writing, context).catch((error: unknown) => error);
    server(0).say({ ready: true });
    full.abort(new DriverError('resource-exhausted', 'the pool is full'));
    await vi.advanceTimersByTimeAsync(2_000);
    void run(connection, reading, context);
    expect(started).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(server(0).isKilled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(server(0).isKilled).toBe(true);
    await settle();
    await expect(stuck).resolves.toMatchObject({ kind: 'resource-exhausted' });
    await expect(other).resolves.toMatchObject({ kind: 'unavailable' });
    expect(server(1).isKilled).toBe(false);
  });
});
