import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CHART } from './helm.ts';
import { writeValuesPage } from './values-page.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
}

const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;

/** Objects with named keys that would let a misspelt one pass. */
function findOpenObjects(node: Schema, path: string): readonly string[] {
  const children = Object.entries(node.properties ?? {});
  const own = children.length > 0 && node.additionalProperties !== false ? [path] : [];
  const items = node.items === undefined ? [] : findOpenObjects(node.items, `${path}[]`);
  return [
    ...own,
    ...items,
    ...children.flatMap(([name, child]) => findOpenObjects(child, `${path}.${name}`)),
  ];
}

/** Keys of the schema's objects that values.yaml gives no default. */
function findMissing(node: Schema, values: unknown, path: string): readonly string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const value = (values as Record<string, unknown>)[name];
    return value === undefined ? [`${path}.${name}`] : findMissing(child, value, `${path}.${name}`);
  });
}

describe('the values of the chart', () => {
  test('are all closed to misspelt keys', () => {
    expect(findOpenObjects(schema, '')).toEqual([]);
  });

  test('all have a default in values.yaml', () => {
    const values: unknown = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
    expect(findMissing(schema, values, '')).toEqual(['.global']);
  });

  test('are told by the README: npx vitest run --project unit test/chart --update writes it anew', async () => {
    await expect(await writeValuesPage()).toMatchFileSnapshot(join(CHART, 'README.md'));
  });
});
