import { status } from '@grpc/grpc-js';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import type { Call, StreamHandler } from '../../src/grpc/service.ts';
import { DriverError } from '../../src/model/errors.ts';
import type { GetMetadataAllocatedRequest__Output } from '../../src/gen/csi/v1/GetMetadataAllocatedRequest.ts';
import type { GetMetadataAllocatedResponse } from '../../src/gen/csi/v1/GetMetadataAllocatedResponse.ts';
import { abortOf, createController, createGate, startServer } from './test-server.ts';

/** A controller whose DeleteVolume does what the test says. */
function withDelete(work: (call: Call) => Promise<unknown>) {
  const DeleteVolume = async (_request: object, call: Call) => {
    await work(call);
    return {};
  };
  return { Controller: createController({ DeleteVolume }) };
}

/** Sends an empty request; a client of grpc-js cannot be made to lose its connection. */
function sendAndKeepSession(endpoint: string, path: string): ClientHttp2Session {
  const createConnection = () => connectSocket(endpoint.slice('unix://'.length));
  const session = connect('http://localhost', { createConnection });
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers);
  stream.on('error', () => undefined);
  // A message in gRPC: not compressed, and 0 bytes long.
  stream.end(Buffer.alloc(5));
  return session;
}

describe('the signal of a call', () => {
  test('aborts as deadline-exceeded when the deadline has passed', async () => {
    const reasons: Promise<unknown>[] = [];
    const { client } = await startServer(
      withDelete(call => {
        reasons.push(abortOf(call.signal));
        return sleep(60_000, undefined, { signal: call.signal });
      }),
    );
    // On a machine that stands still meanwhile, the deadline may pass before the server sees the call at all.
    while (reasons.length === 0) {
      await expect(
        client.call(csi.Controller.DeleteVolume, { volume_id: 'v' }, { timeout: 500 }),
      ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    }
    expect(await reasons[0]).toMatchObject({ kind: 'deadline-exceeded' });
  });

  test('aborts as cancelled when the caller cancels', async () => {
    const entered = createGate();
    const caller = new AbortController();
    const { client, log } = await startServer(
      withDelete(call => {
        entered.open();
        return sleep(60_000, undefined, { signal: call.signal });
      }),
    );
    const { signal } = caller;
    const running = client.call(csi.Controller.DeleteVolume, { volume_id: 'v' }, { signal });
    const cancelled = expect(running).rejects.toMatchObject({ code: status.CANCELLED });
    await entered.opened;
    caller.abort();
    await cancelled;
    const end = await log.find(line => 'code' in line.fields);
    expect(end).toMatchObject({ level: 'warn', fields: { code: 'CANCELLED', volume: 'v' } });
  });

  test('aborts when the connection is lost', async () => {
    const entered = createGate();
    const reason = Promise.withResolvers<unknown>();
    const { endpoint } = await startServer(
      withDelete(async call => {
        entered.open();
        reason.resolve(await abortOf(call.signal));
      }),
    );
    const session = sendAndKeepSession(endpoint, csi.Controller.DeleteVolume.path);
    await entered.opened;
    session.destroy();
    expect(await reason.promise).toMatchObject({ kind: 'cancelled' });
  });
});

describe('errors', () => {
  test('a DriverError reaches the caller with its code and text', async () => {
    const { client, log } = await startServer(
      withDelete(() =>
        Promise.reject(new DriverError('failed-precondition', 'volume v is in use by 10.0.0.7')),
      ),
    );
    await expect(client.call(csi.Controller.DeleteVolume, { volume_id: 'v' })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'volume v is in use by 10.0.0.7',
    });
    const end = await log.find(line => 'code' in line.fields);
    expect(end).toMatchObject({
      level: 'warn',
      message: 'call failed: volume v is in use by 10.0.0.7',
      fields: { method: 'DeleteVolume', volume: 'v', code: 'FAILED_PRECONDITION' },
    });
  });

  test('an unforeseen error is told in the log only', async () => {
    const cause = new Error('ENOSPC on /var/lib');
    const { client, log } = await startServer(
      withDelete(() => Promise.reject(new TypeError('x is undefined', { cause }))),
    );
    const failure: unknown = await client
      .call(csi.Controller.DeleteVolume, { volume_id: 'v' })
      .catch((error: unknown) => error);
    const end = await log.find(line => 'code' in line.fields);
    expect(failure).toMatchObject({
      code: status.INTERNAL,
      details: `internal error; see the driver's log, request ${String(end.fields['requestId'])}`,
    });
    expect(end).toMatchObject({ level: 'error', fields: { code: 'INTERNAL' } });
    expect(end.fields['causes']).toEqual([
      expect.stringContaining('TypeError: x is undefined'),
      expect.stringContaining('ENOSPC on /var/lib'),
    ]);
  });
});

describe('the log', () => {
  test('has one line at info for a call, with what it was about and what it took', async () => {
    const { client, log } = await startServer(
      withDelete(call => {
        call.onProcess?.('rbd');
        call.onProcess?.('ceph');
        call.onOperation?.('image_info');
        return Promise.resolve();
      }),
    );
    await client.call(csi.Controller.DeleteVolume, { volume_id: 'rbd1/c/p/v' });
    await log.find(line => 'code' in line.fields);
    const lines = log.lines.filter(line => line.level !== 'debug');
    expect(lines).toEqual([
      {
        level: 'info',
        message: 'call ended',
        fields: {
          requestId: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
          method: 'DeleteVolume',
          volume: 'rbd1/c/p/v',
          code: 'OK',
          ms: expect.any(Number) as number,
          processes: 2,
          operations: 1,
        },
      },
    ]);
  });

  test("puts the call's id on the handler's own lines", async () => {
    const { client, log } = await startServer(
      withDelete(call => {
        call.log.warn({ unknown: ['x'] }, 'parameters are not known');
        return Promise.resolve();
      }),
    );
    await client.call(csi.Controller.DeleteVolume, { volume_id: 'v' });
    const end = await log.find(line => 'code' in line.fields);
    const own = await log.find(line => line.level === 'warn');
    expect(own.fields).toMatchObject({
      requestId: end.fields['requestId'],
      method: 'DeleteVolume',
      unknown: ['x'],
    });
  });

  test('is quiet about Probe', async () => {
    const { client, log } = await startServer({});
    await client.call(csi.Identity.Probe, {});
    const end = await log.find(line => 'code' in line.fields);
    expect(end.level).toBe('debug');
  });

  test('shows requests at debug, without their secrets', async () => {
    const { client, log } = await startServer(withDelete(() => Promise.reject(new Error('no'))));
    const secrets = { userID: 'csi-rbd', userKey: 'AQDsecretkey==' };
    await expect(client.call(csi.Controller.DeleteVolume, { volume_id: 'v', secrets })).rejects.toThrow();
    const start = await log.find(line => 'request' in line.fields);
    expect(start.fields['request']).toEqual({ volume_id: 'v', secrets: { userID: '***', userKey: '***' } });
    await log.find(line => 'code' in line.fields);
    expect(JSON.stringify(log.lines)).not.toContain('AQDsecretkey');
  });
});

describe('streams', () => {
  type Handler = StreamHandler<GetMetadataAllocatedRequest__Output, GetMetadataAllocatedResponse>;

  const startStream = (GetMetadataAllocated: Handler) => {
    const GetMetadataDelta = () => {
      throw new DriverError('unimplemented', 'not part of this test');
    };
    return startServer({ SnapshotMetadata: { GetMetadataAllocated, GetMetadataDelta } });
  };

  const readAll = async <Message>(stream: AsyncIterable<Message>) => {
    const messages: Message[] = [];
    for await (const message of stream) messages.push(message);
    return messages;
  };

  test('send all messages, and one line in the log', async () => {
    const { client, log } = await startStream(async function* ({ max_results }) {
      for (let offset = 0; offset < max_results; offset += 1) {
        await Promise.resolve();
        yield {
          block_metadata_type: 'FIXED_LENGTH',
          block_metadata: [{ byte_offset: offset, size_bytes: 1 }],
        };
      }
    });
    const request = { snapshot_id: 's', max_results: 2_000 };
    const messages = await readAll(client.stream(csi.SnapshotMetadata.GetMetadataAllocated, request));
    const offsets = messages.map(message => Number(message.block_metadata[0]?.byte_offset));
    expect(offsets).toEqual(Array.from({ length: 2_000 }, (_, index) => index));
    const end = await log.find(line => 'code' in line.fields);
    expect(end.fields).toMatchObject({ method: 'GetMetadataAllocated', snapshot: 's', code: 'OK' });
  });

  test('end with the status of an error', async () => {
    const { client } = await startStream(async function* () {
      yield { volume_capacity_bytes: 1 };
      await Promise.reject(new DriverError('out-of-range', 'starting_offset 9 is behind the end'));
    });
    const stream = client.stream(csi.SnapshotMetadata.GetMetadataAllocated, { snapshot_id: 's' });
    await expect(readAll(stream)).rejects.toMatchObject({
      code: status.OUT_OF_RANGE,
      details: 'starting_offset 9 is behind the end',
    });
  });

  test('stop asking the handler when the caller is gone', async () => {
    const caller = new AbortController();
    const finished = createGate();
    const { client } = await startStream(async function* () {
      try {
        for (;;) {
          await Promise.resolve();
          yield { volume_capacity_bytes: 1 };
        }
      } finally {
        finished.open();
      }
    });
    const request = { snapshot_id: 's' };
    const { signal } = caller;
    const stream = client.stream(csi.SnapshotMetadata.GetMetadataAllocated, request, { signal });
    const read = async () => {
      for await (const message of stream) if (message.volume_capacity_bytes === '1') caller.abort();
    };
    await expect(read()).rejects.toMatchObject({ code: status.CANCELLED });
    await finished.opened;
  });
});
