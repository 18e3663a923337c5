import { expect, it } from 'vitest';
import { readPage } from '../../src/rbd/paging.ts';

const positionsOf = (...keys: string[]) => keys.map(key => ({ key, value: key }));
const resolve = (value: string) => Promise.resolve(value.startsWith('x') ? undefined : value);

it('goes on behind the last entry, whatever has come or gone', async () => {
  const first = await readPage(positionsOf('c', 'x1', 'a', 'e'), { maximumEntries: 2 }, resolve);
  expect(first.entries).toEqual(['a', 'c']);
  const next = {
    maximumEntries: 2,
    ...(first.nextToken === undefined ? {} : { startingToken: first.nextToken }),
  };
  expect(await readPage(positionsOf('b', 'd', 'e', 'x1'), next, resolve)).toEqual({
    entries: ['d', 'e'],
    nextToken: 'after:e',
  });
  expect(await readPage(positionsOf('d', 'e'), next, resolve)).toEqual({ entries: ['d', 'e'] });
  expect(await readPage([], next, resolve)).toEqual({ entries: [] });
});

it('refuses a token of somebody else', async () => {
  const request = { maximumEntries: 0, startingToken: 'page-2' };
  await expect(readPage([], request, resolve)).rejects.toMatchObject({ kind: 'aborted' });
});
