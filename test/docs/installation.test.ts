import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { CSI_USERS, POOLS } from '../../dev/ceph/users.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/installation.md').replaceAll(/\\\n\s*/g, '');

/** `client.x mon 'a' osd 'b'` → x, {mon: a, osd: b}. */
function parseUser(line: string): [string, Readonly<Record<string, string>>] {
  const user = /client\.(\S+)/.exec(line)?.[1] ?? '';
  const grants = [...line.matchAll(/(mon|mgr|osd|mds) '([^']*)'/g)].map(
    match => [match[1] ?? '', match[2] ?? ''] as const,
  );
  return [user, Object.fromEntries<string>(grants)];
}

test('the users of the installation have the capabilities that the tests on a real cluster run with', () => {
  const lines = page.split('\n').filter(line => line.startsWith('ceph auth get-or-create'));
  const pools = Object.values(POOLS)
    .map(pool => `profile rbd pool=${pool}`)
    .join(', ');
  const tested = Object.values(CSI_USERS).map(({ userId, capabilities }) => {
    const grants = Object.entries<string>(capabilities).map(
      ([service, grant]) => [service, grant.replace(pools, 'profile rbd pool=kubernetes')] as const,
    );
    return [userId, Object.fromEntries<string>(grants)] as const;
  });
  expect(Object.fromEntries(lines.map(parseUser))).toEqual(Object.fromEntries(tested));
});

test('the Secrets of the installation are those that the example values name', () => {
  const values: unknown = parse(read('examples/values.yaml'));
  const named = [...JSON.stringify(values).matchAll(/"(?:secretName|name)":"(csi-[^"]+)"/g)].map(
    match => match[1],
  );
  const loop = /for user in ([^;]+);/.exec(page)?.[1]?.split(' ') ?? [];
  const single = [...page.matchAll(/create secret generic (csi-\S+)/g)].map(match => match[1]);
  expect([...new Set(named)].sort()).toEqual([...loop, ...single].sort());
});
