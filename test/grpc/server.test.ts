import { status } from '@grpc/grpc-js';
import { rename, stat, writeFile } from 'node:fs/promises';
import { createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import { expect, describe, test } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { createServer } from '../../src/grpc/server.ts';
import { createLogRecord } from './log-record.ts';
import {
  abortOf,
  createController,
  createDirectory,
  createGate,
  dial,
  identity,
  startServer,
} from './test-server.ts';

/** What a process that was killed leaves: a socket on which nobody listens. */
async function createStaleSocket(path: string): Promise<void> {
  const server = createNetServer();
  await new Promise<void>(resolve => server.listen(`${path}.first`, resolve));
  // Closing would remove it under the name that it was made with.
  await rename(`${path}.first`, path);
  await new Promise(resolve => server.close(resolve));
}

describe('endpoints', () => {
  test('a unix socket is open to its owner and group only', async () => {
    const { endpoint, client } = await startServer({});
    const stats = await stat(endpoint.slice('unix://'.length));
    expect(stats.mode & 0o777).toBe(0o660);
    expect(await client.call(csi.Identity.Probe, {})).toEqual({ ready: { value: true } });
  });

  test('a stale socket is replaced', async () => {
    const path = join(await createDirectory(), 'csi.sock');
    await createStaleSocket(path);
    const { client } = await startServer({}, { endpoint: `unix://${path}` });
    expect(await client.call(csi.Identity.Probe, {})).toEqual({ ready: { value: true } });
  });

  test('a socket that is served is left alone', async () => {
    const { endpoint, client } = await startServer({});
    const second = createServer({ Identity: identity }, { endpoint, log: createLogRecord() });
    await expect(second.listen()).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('already serves') as string,
    });
    expect(await client.call(csi.Identity.Probe, {})).toEqual({ ready: { value: true } });
  });

  test('a file that is not a socket is left alone', async () => {
    const path = join(await createDirectory(), 'csi.sock');
    await writeFile(path, 'precious');
    const server = createServer(
      { Identity: identity },
      { endpoint: `unix://${path}`, log: createLogRecord() },
    );
    await expect(server.listen()).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect((await stat(path)).size).toBe('precious'.length);
  });

  test('a directory that does not exist is named', async () => {
    const path = join(await createDirectory(), 'absent/csi.sock');
    const server = createServer(
      { Identity: identity },
      { endpoint: `unix://${path}`, log: createLogRecord() },
    );
    await expect(server.listen()).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(path) as string,
    });
  });

  test('tcp with port 0 tells the port that it got', async () => {
    const { endpoint, client } = await startServer({}, { endpoint: 'tcp://127.0.0.1:0' });
    expect(endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(await client.call(csi.Identity.Probe, {})).toEqual({ ready: { value: true } });
  });

  test('several servers share a process', async () => {
    const named = (name: string) => ({
      Identity: { ...identity, GetPluginInfo: () => Promise.resolve({ name }) },
    });
    const [one, two] = await Promise.all([startServer(named('one')), startServer(named('two'))]);
    expect(await one.client.call(csi.Identity.GetPluginInfo, {})).toMatchObject({ name: 'one' });
    expect(await two.client.call(csi.Identity.GetPluginInfo, {})).toMatchObject({ name: 'two' });
  });

  test('a service that is not there answers UNIMPLEMENTED', async () => {
    const { client } = await startServer({});
    await expect(client.call(csi.Node.NodeGetInfo, {})).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  });
});

describe('drain', () => {
  test('lets the calls in flight finish and refuses new ones', async () => {
    const entered = createGate();
    const gate = createGate();
    const { server, endpoint, client } = await startServer({
      Controller: createController({
        DeleteVolume: async () => {
          entered.open();
          await gate.opened;
          return {};
        },
      }),
    });
    const running = client.call(csi.Controller.DeleteVolume, { volume_id: 'v' });
    await entered.opened;
    const drained = server.drain(25_000);
    for (const caller of [client, dial(endpoint)]) {
      await expect(caller.call(csi.Identity.Probe, {})).rejects.toMatchObject({ code: status.UNAVAILABLE });
    }
    gate.open();
    expect(await running).toEqual({});
    await drained;
  });

  test('aborts what goes on after the bound, and waits until it has ended', async () => {
    const entered = createGate();
    const events: unknown[] = [];
    const { server, client, log } = await startServer({
      Controller: createController({
        DeleteVolume: async (_request, call) => {
          entered.open();
          events.push(await abortOf(call.signal));
          // The time that a child process takes to exit.
          await new Promise(resolve => setTimeout(resolve, 50));
          events.push('handler ended');
          call.signal.throwIfAborted();
          return {};
        },
      }),
    });
    const running = client.call(csi.Controller.DeleteVolume, { volume_id: 'v' });
    const refused = expect(running).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await entered.opened;
    await server.drain(0);
    events.push('drained');
    await refused;
    expect(events).toEqual([expect.objectContaining({ kind: 'unavailable' }), 'handler ended', 'drained']);
    const end = log.lines.find(line => line.fields['method'] === 'DeleteVolume' && 'code' in line.fields);
    expect(end?.fields).toMatchObject({ code: 'UNAVAILABLE', volume: 'v' });
  });

  test('answers a call that comes to its end in spite of the abort', async () => {
    const entered = createGate();
    const { server, client, log } = await startServer({
      Controller: createController({
        DeleteVolume: async (_request, call) => {
          entered.open();
          await abortOf(call.signal);
          return {};
        },
      }),
    });
    const running = client.call(csi.Controller.DeleteVolume, { volume_id: 'v' });
    await entered.opened;
    const drained = server.drain(0);
    expect(await running).toEqual({});
    await drained;
    expect(log.lines.at(-1)?.fields).toMatchObject({ method: 'DeleteVolume', code: 'OK' });
  });

  test('frees the socket', async () => {
    const { server, endpoint } = await startServer({});
    await server.drain();
    const { client } = await startServer({}, { endpoint });
    expect(await client.call(csi.Identity.Probe, {})).toEqual({ ready: { value: true } });
  });
});
