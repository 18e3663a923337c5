import { expect, it } from 'vitest';
import { measure, summarize } from '../../bench/timing.ts';

it('tells the times that half, and nearly all, of the calls did not exceed', () => {
  const times = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(summarize({ times, errors: [], seconds: 4 })).toEqual({
    calls: 100,
    errors: 0,
    p50: 50,
    p95: 95,
    p99: 99,
    perSecond: 25,
  });
});

it('counts what failed as errors, and not as calls a second', () => {
  const timing = summarize({ times: [10], errors: ['pool is full', 'gone'], seconds: 1 });
  expect(timing).toMatchObject({ calls: 3, errors: 2, firstError: 'pool is full', p50: 10, perSecond: 1 });
});

it('runs as many at a time as asked, and all of them, also when some fail', async () => {
  let running = 0;
  let most = 0;
  const tasks = Array.from({ length: 12 }, (_, index) => async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    if (index === 5) throw new Error('five');
  });
  expect(await measure(tasks, 4)).toMatchObject({ calls: 12, errors: 1, firstError: 'five' });
  expect(most).toBe(4);
});
