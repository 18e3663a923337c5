import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readJsonList } from '../../src/ceph/json-list.ts';

async function read(...pieces: readonly string[]): Promise<unknown[]> {
  async function* give() {
    yield* await Promise.resolve(pieces);
  }
  const items: unknown[] = [];
  for await (const some of readJsonList(give(), 'rbd diff')) items.push(...some);
  return items;
}

describe('a JSON list in pieces', () => {
  it('has the same items wherever it is cut', async () => {
    const item = fc.record({ offset: fc.nat(), length: fc.nat(), exists: fc.constantFrom('true', 'false') });
    const property = fc.asyncProperty(fc.array(item), fc.array(fc.nat(200)), async (items, cuts) => {
      const text = `${JSON.stringify(items)}\n`;
      const places = [0, ...cuts.map(cut => cut % text.length).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((place, index) => text.slice(places[index], place));
      expect(await read(...pieces)).toEqual(items);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it.each([
    ['ends early', ['[{"a":1}']],
    ['ends early', ['[{"a":1},{"a"']],
    ['ends early', []],
    ['is not a JSON list', ['{"a":1}']],
    ['is not a JSON list', ['[{"a":1} {"a":2}]']],
    ['is not a JSON list', ['[{"a":1}', '{"a":2}]']],
    ['ends early', ['[{"a":1}]x']],
  ])('%s: %j', async (message, pieces) => {
    await expect(read(...pieces)).rejects.toThrow(message);
  });
});
