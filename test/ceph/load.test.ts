import { expect, it } from 'vitest';
import { runLoad } from '../../bench/load.ts';
import { values, listImages } from './harness/cluster.ts';
import { useDriver } from './harness/driver.ts';

const driver = useDriver();

it(
  '200 volumes are made, made again, grown and deleted, 32 at a time, without an error',
  { timeout: 900_000 },
  async () => {
    const { parameters, secrets } = values.rbd;
    const results = await runLoad({
      endpoint: driver.process.endpoints.rbd,
      parameters,
      secrets,
      volumes: 200,
      concurrency: 32,
      operations: ['create', 'create again', 'expand', 'delete'],
    });
    expect(
      results.map(({ operation, calls, errors, firstError }) => ({ operation, calls, errors, firstError })),
    ).toEqual(
      ['create', 'create again', 'expand', 'delete'].map(operation => ({
        operation,
        calls: 200,
        errors: 0,
        firstError: undefined,
      })),
    );
    expect((await listImages()).filter(image => image.includes('load-'))).toEqual([]);
  },
);
