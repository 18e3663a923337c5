import { status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { describeError, toStatus } from '../../src/grpc/status.ts';
import { DriverError } from '../../src/model/errors.ts';

describe('toStatus', () => {
  test.each([
    ['invalid-argument', status.INVALID_ARGUMENT],
    ['not-found', status.NOT_FOUND],
    ['already-exists', status.ALREADY_EXISTS],
    ['failed-precondition', status.FAILED_PRECONDITION],
    ['aborted', status.ABORTED],
    ['out-of-range', status.OUT_OF_RANGE],
    ['resource-exhausted', status.RESOURCE_EXHAUSTED],
    ['permission-denied', status.PERMISSION_DENIED],
    ['unauthenticated', status.UNAUTHENTICATED],
    ['unavailable', status.UNAVAILABLE],
    ['deadline-exceeded', status.DEADLINE_EXCEEDED],
    ['cancelled', status.CANCELLED],
    ['unimplemented', status.UNIMPLEMENTED],
    ['internal', status.INTERNAL],
  ] as const)('%s', (kind, code) => {
    expect(toStatus(new DriverError(kind, 'pool: "x" is not there'), 'r1')).toEqual({
      code,
      details: 'pool: "x" is not there',
    });
  });

  test('says nothing of an error that was not written for the caller', () => {
    expect(toStatus(new Error('key AQD== in /tmp/x'), 'r1')).toEqual({
      code: status.INTERNAL,
      details: "internal error; see the driver's log, request r1",
    });
  });

  test("finds the reason behind Node's own AbortError", async () => {
    const signal = AbortSignal.abort(new DriverError('deadline-exceeded', 'too late'));
    const error: unknown = await sleep(1, undefined, { signal }).catch((caught: unknown) => caught);
    expect(toStatus(error, 'r1')).toEqual({ code: status.DEADLINE_EXCEEDED, details: 'too late' });
  });
});

describe('describeError', () => {
  test('lists the causes, outermost first', () => {
    const root = new DriverError('not-found', 'image');
    const error = new DriverError('failed-precondition', 'volume', { cause: root });
    expect(describeError(error)).toEqual(['failed-precondition: volume', 'not-found: image']);
  });

  test('ends for an error that is its own cause', () => {
    const error = new DriverError('internal', 'circle');
    error.cause = error;
    expect(describeError(error).length).toBeLessThan(20);
  });

  test('shows what is not an error', () => {
    expect(describeError({ code: 7 })).toEqual(['thrown: { code: 7 }']);
  });
});
