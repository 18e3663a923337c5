import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { createLocks } from '../../src/grpc/locks.ts';
import type { Claim, Locks } from '../../src/grpc/locks.ts';
import type { Call } from '../../src/grpc/service.ts';
import { createTestCall } from './test-call.ts';
import { abortOf, createController, createGate, dial, startServer } from './test-server.ts';

const create: Claim = {
  operation: 'CreateVolume',
  keys: ['v'],
  request: { name: 'v', secrets: { userKey: 'a' } },
};

/** Work that a test ends, and that remembers how often it was started and on behalf of which call. */
function createWork(result = 'done') {
  const gate = createGate();
  const calls: Call[] = [];
  const work = async (call: Call) => {
    calls.push(call);
    await gate.opened;
    return result;
  };
  return { work, calls, end: gate.open };
}

/** Runs a claim to its end, to see that its keys are free. */
function runAtOnce(locks: Locks, claim: Claim): Promise<string> {
  return locks.run(claim, createTestCall(claim.operation).call, () => Promise.resolve('ran'));
}

describe('the same call again while it runs', () => {
  test('joins, and gets the same result', async () => {
    const locks = createLocks();
    const { work, calls, end } = createWork();
    const first = createTestCall('CreateVolume');
    const second = createTestCall('CreateVolume');
    const results = [
      locks.run(create, first.call, work),
      locks.run(structuredClone(create), second.call, work),
    ];
    end();
    expect(await Promise.all(results)).toEqual(['done', 'done']);
    expect(calls).toHaveLength(1);
    expect(second.log.lines).toMatchObject([{ fields: { joined: first.call.requestId } }]);
  });

  test('is counted while it waits, and the keys while they are held', async () => {
    const locks = createLocks();
    const { work, end } = createWork();
    const claim = { ...create, keys: ['v', 'w'] };
    const results = [1, 2, 3].map(() => locks.run(claim, createTestCall('CreateVolume').call, work));
    expect(locks.describe()).toMatchObject({ held: 2, joined: 2 });
    end();
    await Promise.all(results);
    expect(locks.describe()).toEqual({ held: 0, joined: 0, oldestSeconds: 0 });
  });

  test('gets the same error, and the key is free again', async () => {
    const locks = createLocks();
    const fail = () => Promise.reject(new Error('no'));
    const results = [1, 2].map(() => locks.run(create, createTestCall('CreateVolume').call, fail));
    await Promise.all(results.map(result => expect(result).rejects.toThrow('no')));
    expect(await runAtOnce(locks, create)).toBe('ran');
  });

  test('goes on when one caller is gone', async () => {
    const locks = createLocks();
    const { work, calls, end } = createWork();
    const first = createTestCall('CreateVolume');
    const left = locks.run(create, first.call, work);
    const stayed = locks.run(create, createTestCall('CreateVolume').call, work);
    first.cancel();
    await expect(left).rejects.toMatchObject({ kind: 'cancelled' });
    expect(calls[0]?.signal.aborted).toBe(false);
    end();
    expect(await stayed).toBe('done');
  });

  test('is aborted when all callers are gone, and holds its key until it has ended', async () => {
    const locks = createLocks();
    const { work, calls, end } = createWork();
    const callers = [createTestCall('CreateVolume'), createTestCall('CreateVolume')];
    const results = callers.map(({ call }) => locks.run(create, call, work));
    const settled = Promise.allSettled(results);
    for (const { cancel } of callers) cancel();
    expect(calls[0]?.signal.reason).toMatchObject({ kind: 'cancelled' });
    await expect(runAtOnce(locks, create)).rejects.toMatchObject({
      kind: 'aborted',
      message: expect.stringContaining('its callers are gone') as string,
    });
    end();
    await settled;
    expect(await runAtOnce(locks, create)).toBe('ran');
  });
});

describe('another call on the same key', () => {
  test.each<[string, Claim]>([
    ['another operation', { ...create, operation: 'DeleteVolume' }],
    ['another request', { ...create, request: { name: 'v', parameters: { pool: 'p' } } }],
    ['another secret', { ...create, request: { name: 'v', secrets: { userKey: 'b' } } }],
  ])('is refused: %s', async (_case, claim) => {
    const locks = createLocks();
    const { work, calls, end } = createWork();
    const holder = createTestCall('CreateVolume');
    const running = locks.run(create, holder.call, work);
    await expect(runAtOnce(locks, claim)).rejects.toMatchObject({
      kind: 'aborted',
      message: expect.stringMatching(
        new RegExp(`"v" has been held by CreateVolume for \\d+ s \\(request ${holder.call.requestId};`),
      ) as string,
    });
    end();
    await running;
    expect(calls).toHaveLength(1);
    expect(await runAtOnce(locks, claim)).toBe('ran');
  });

  test('is refused where one of several keys is held', async () => {
    const locks = createLocks();
    const { work, end } = createWork();
    const clone = { ...create, keys: ['source', 'v'] };
    const running = locks.run(clone, createTestCall('CreateVolume').call, work);
    const remove = { operation: 'DeleteVolume', keys: ['source'], request: {} };
    await expect(runAtOnce(locks, remove)).rejects.toThrow('"source" has been held by CreateVolume');
    expect(await runAtOnce(locks, { ...remove, keys: ['other'] })).toBe('ran');
    end();
    await running;
    expect(await runAtOnce(locks, remove)).toBe('ran');
  });
});

test('a call that has ended already runs nothing', async () => {
  const { call, cancel } = createTestCall('CreateVolume');
  const { work, calls } = createWork();
  cancel();
  await expect(createLocks().run(create, call, work)).rejects.toMatchObject({ kind: 'cancelled' });
  expect(calls).toHaveLength(0);
});

test('work that throws before it waits frees its keys', async () => {
  const locks = createLocks();
  const fail = () => {
    throw new Error('at once');
  };
  await expect(locks.run(create, createTestCall('CreateVolume').call, fail)).rejects.toThrow('at once');
  expect(await runAtOnce(locks, create)).toBe('ran');
});

describe('over a socket', () => {
  test('two clients share one creation, and a deletion meanwhile is ABORTED', async () => {
    const locks = createLocks();
    const { work, calls, end } = createWork('volume-1');
    const { client, endpoint, log } = await startServer({
      Controller: createController({
        CreateVolume: async (request, call) => {
          const claim = { operation: call.method, keys: [request.name], request };
          return { volume: { volume_id: await locks.run(claim, call, work) } };
        },
        DeleteVolume: (request, call) =>
          locks.run({ operation: call.method, keys: [request.volume_id], request }, call, () =>
            Promise.resolve({}),
          ),
      }),
    });
    const request = { name: 'v', secrets: { userKey: 'k' } };
    const both = [client, dial(endpoint)].map(caller => caller.call(csi.Controller.CreateVolume, request));
    await log.find(line => 'joined' in line.fields);
    await expect(client.call(csi.Controller.DeleteVolume, { volume_id: 'v' })).rejects.toMatchObject({
      code: status.ABORTED,
    });
    end();
    const answers = await Promise.all(both);
    expect(answers.map(answer => answer.volume?.volume_id)).toEqual(['volume-1', 'volume-1']);
    expect(calls).toHaveLength(1);
  });

  test('a client that is gone takes the work with it', async () => {
    const locks = createLocks();
    const caller = new AbortController();
    const aborted = Promise.withResolvers<unknown>();
    const { client } = await startServer({
      Controller: createController({
        DeleteVolume: (request, call) =>
          locks.run({ operation: call.method, keys: [request.volume_id], request }, call, async inner => {
            caller.abort();
            aborted.resolve(await abortOf(inner.signal));
            return {};
          }),
      }),
    });
    const { signal } = caller;
    await expect(
      client.call(csi.Controller.DeleteVolume, { volume_id: 'v' }, { signal }),
    ).rejects.toMatchObject({ code: status.CANCELLED });
    expect(await aborted.promise).toMatchObject({ kind: 'cancelled' });
  });
});
