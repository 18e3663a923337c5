import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClusterCommand, CommandRunner } from '../../src/ceph/ceph-command.ts';
import { createServerRunner } from '../../src/ceph/command-servers.ts';
import type { LineServerCommand, StartLineServer } from '../../src/exec/line-server.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const connection = { monitors: ['mon:6789'], userId: 'admin', key: new Secret('the key') };
const command: ClusterCommand = { target: 'mgr', prefix: 'fs subvolume ls', args: { vol_name: 'fs' } };
const context = createTestContext();

interface Started {
  readonly command: LineServerCommand;
  readonly lines: string[];
  isStopped: boolean;
  /** Says something as the program would. */
  say(message: object): void;
}

/** Servers that say only what a test lets them say. */
function createServers() {
  const started: Started[] = [];
  const start: StartLineServer = server => {
    const entry: Started = {
      command: server,
      lines: [],
      isStopped: false,
      say: message => server.onLine(JSON.stringify(message)),
    };
    started.push(entry);
    return {
      send: line => void entry.lines.push(line),
      stop() {
        entry.isStopped = true;
      },
    };
  };
  const fallback = vi.fn<CommandRunner>(() =>
    Promise.resolve({ exitCode: 0, stdout: 'by a process', stderr: '' }),
  );
  const run = createServerRunner(start, fallback);
  const server = (index: number): Started => {
    const found = started[index];
    if (found === undefined) throw new Error(`there is no server ${index}`);
    return found;
  };
  return { run, fallback, started, server };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('commands over a connection that stays open', () => {
  it('share it, and get their own answers, in any order', async () => {
    const { run, started, server } = createServers();
    const first = run(connection, command, context);
    const second = run(connection, { ...command, prefix: 'fs subvolume info' }, context);
    server(0).say({ ready: true });
    server(0).say({ id: 2, code: 2, out: '', reason: 'does not exist' });
    server(0).say({ id: 1, code: 0, out: '[]', reason: '' });
    await expect(first).resolves.toEqual({ exitCode: 0, stdout: '[]', stderr: '' });
    await expect(second).resolves.toEqual({ exitCode: 2, stdout: '', stderr: 'does not exist' });
    expect(started).toHaveLength(1);
    expect(JSON.parse(server(0).lines[1] ?? '')).toEqual({
      id: 1,
      target: 'mgr',
      command: { prefix: 'fs subvolume ls', format: 'json', vol_name: 'fs' },
    });
  });

  it('never have the key among the arguments', () => {
    const { run, server } = createServers();
    void run(connection, command, context).catch(() => undefined);
    expect(JSON.stringify(server(0).command.args)).not.toContain('the key');
    expect(server(0).lines[0]).toContain('the key');
  });

  it('have a connection for each user', () => {
    const { run, started } = createServers();
    void run(connection, command, context);
    void run({ ...connection, userId: 'other' }, command, context);
    void run({ ...connection, key: new Secret('new key') }, command, context);
    expect(started).toHaveLength(3);
  });

  it('are run by a process when the connection breaks, and the next ones over a new connection', async () => {
    const { run, fallback, started, server } = createServers();
    const running = run(connection, command, context);
    server(0).say({ ready: true });
    server(0).command.onEnd('python3 was ended by SIGKILL');
    await expect(running).resolves.toMatchObject({ stdout: 'by a process' });
    expect(fallback).toHaveBeenCalledOnce();
    void run(connection, command, context);
    expect(started).toHaveLength(2);
  });

  it('are run by processes for a while where no server can work', async () => {
    const { run, started, server } = createServers();
    const running = run(connection, command, context);
    server(0).command.onEnd("python3 exited 1: ModuleNotFoundError: No module named 'rados'");
    await expect(running).resolves.toMatchObject({ stdout: 'by a process' });
    await expect(run(connection, command, context)).resolves.toMatchObject({ stdout: 'by a process' });
    expect(started).toHaveLength(1);
    vi.advanceTimersByTime(600_000);
    void run(connection, command, context);
    expect(started).toHaveLength(2);
  });

  it('fail when the cluster refuses the user', async () => {
    const { run, fallback, server } = createServers();
    const running = run(connection, command, context);
    const reason = '[errno 13] RADOS permission denied (error connecting to the cluster)';
    server(0).say({ refused: 13, reason });
    await expect(running).rejects.toMatchObject({ kind: 'unauthenticated' });
    expect(fallback).not.toHaveBeenCalled();
  });

  it('are left when the call ends; a server that has been silent for long is given up', async () => {
    const { run, server, started } = createServers();
    const quick = new AbortController();
    const first = run(connection, command, createTestContext({ signal: quick.signal }));
    server(0).say({ ready: true });
    quick.abort(new DriverError('cancelled', 'gone'));
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    expect(server(0).isStopped).toBe(false);

    const slow = new AbortController();
    const second = run(connection, command, createTestContext({ signal: slow.signal }));
    vi.advanceTimersByTime(10_000);
    slow.abort(new DriverError('deadline-exceeded', 'too late'));
    await expect(second).rejects.toMatchObject({ kind: 'deadline-exceeded' });
    expect(server(0).isStopped).toBe(true);
    void run(connection, command, context);
    expect(started).toHaveLength(2);
  });

  it('are not waited for for ever', async () => {
    const { run, server } = createServers();
    const running = run(connection, command, context);
    server(0).say({ ready: true });
    vi.advanceTimersByTime(60_000);
    await expect(running).rejects.toMatchObject({ kind: 'deadline-exceeded' });
  });

  it('close it when nobody has used it for long', async () => {
    const { run, server } = createServers();
    const running = run(connection, command, context);
    server(0).say({ id: 1, code: 0, out: '', reason: '' });
    await running;
    vi.advanceTimersByTime(300_000);
    expect(server(0).isStopped).toBe(true);
  });
});
