import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as cephfs from '../../src/cephfs/parameters.ts';
import { parseClusters } from '../../src/config/clusters.ts';
import * as rbd from '../../src/rbd/parameters.ts';

const page = readFileSync(new URL('../../docs/parameters.md', import.meta.url), 'utf8');

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function section(title: string): string {
  const text = page.split(/^## /m).find(part => part.startsWith(`${title}\n`));
  if (text === undefined) throw new Error(`docs/parameters.md has no section "${title}"`);
  return text;
}

/** The keys in the first column of a section's table whose row matches. */
function tableKeys(title: string, row = /^/): readonly string[] {
  const rows = section(title)
    .split('\n')
    .filter(line => line.startsWith('| `') && row.test(line));
  return rows.map(line => /^\| `([^`]+)`/.exec(line)?.[1] ?? '').sort();
}

/** The keys that a section says are accepted and do nothing. */
function ignoredKeys(title: string): readonly string[] {
  const sentence = /Accepted and without effect[^:]*: ([^.]*)\./.exec(section(title))?.[1] ?? '';
  return [...sentence.matchAll(/`([^`]+)`/g)].map(match => match[1] ?? '');
}

/** The keys that a parser names when it refuses an unknown one, as a user sees them. */
function knownKeys(parse: () => unknown): readonly string[] {
  try {
    parse();
  } catch (error) {
    const list = /(?:known are|CephFS has) (.*)$/.exec(String(error))?.[1] ?? '';
    return list.split(', ').sort();
  }
  throw new Error('an unknown key was accepted');
}

const unknown = { bogus: '' };

test('the page names every key of an RBD StorageClass', () => {
  const known = knownKeys(() => rbd.parseImageParameters(unknown, silent));
  expect(tableKeys('StorageClass of RBD')).toEqual(known);
});

test('the page names every key of a CephFS StorageClass', () => {
  const known = knownKeys(() => cephfs.parseVolumeParameters(unknown));
  expect(tableKeys('StorageClass of CephFS')).toEqual([...known, ...cephfs.DISABLED_KEYS].sort());
});

test('the page names every key of a VolumeSnapshotClass', () => {
  expect(tableKeys('VolumeSnapshotClass', /RBD/)).toEqual(
    knownKeys(() => rbd.parseSnapshotPrefix(unknown, silent)),
  );
  expect(tableKeys('VolumeSnapshotClass', /CephFS/)).toEqual(
    knownKeys(() => cephfs.parseSnapshotParameters(unknown)),
  );
});

test('the page names every key of a VolumeGroupSnapshotClass', () => {
  expect(tableKeys('VolumeGroupSnapshotClass', /RBD/)).toEqual(
    knownKeys(() => rbd.parseGroupParameters(unknown, silent)),
  );
  expect(tableKeys('VolumeGroupSnapshotClass', /CephFS/)).toEqual(
    knownKeys(() => cephfs.parseGroupParameters(unknown)),
  );
});

test('the keys that the page says do nothing are accepted', () => {
  const ofRbd = ignoredKeys('StorageClass of RBD');
  const ofCephfs = ignoredKeys('StorageClass of CephFS');
  expect(ofRbd.length).toBeGreaterThan(0);
  expect(ofCephfs.toSorted()).toEqual(cephfs.IGNORED_KEYS.toSorted());
  const add = (keys: readonly string[]) => Object.fromEntries(keys.map(key => [key, 'x']));
  rbd.parseImageParameters({ clusterID: 'a', pool: 'b', ...add(ofRbd) }, silent);
  cephfs.parseVolumeParameters({ clusterID: 'a', fsName: 'b', ...add(ofCephfs) });
});

/** `{a: {b: 1}}` → `a.b`. */
function leafKeys(value: object): readonly string[] {
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    if (typeof child !== 'object' || child === null || Array.isArray(child)) return [key];
    return leafKeys(child).map(rest => `${key}.${rest}`);
  });
}

test('the page names every key of the clusters file, and its example is valid', () => {
  const example = /```json\n([^`]*)```/.exec(section('Clusters file'))?.[1] ?? '';
  const [cluster] = parseClusters(example);
  const spelling: Readonly<Record<string, string>> = { clusterId: 'clusterID' };
  const read = leafKeys({ ...cluster, rbd: { radosNamespace: '', ...cluster?.rbd } });
  const keys = read.map(key => spelling[key] ?? key.replace(/^cephfs\./, 'cephFS.'));
  expect(tableKeys('Clusters file')).toEqual(keys.toSorted());
});
