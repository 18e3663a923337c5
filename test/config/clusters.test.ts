import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClusterSource, parseClusters, parseDuration } from '../../src/config/clusters.ts';

const goDriverFile = JSON.stringify([
  {
    clusterID: 'rook-ceph',
    monitors: ['10.0.0.1:6789', '[v2:10.0.0.2:3300,v1:10.0.0.2:6789]'],
    rbd: { radosNamespace: 'team', mirrorDaemonCount: 1, netNamespaceFilePath: '' },
    cephFS: { subvolumeGroup: 'shared', kernelMountOptions: 'noatime', fuseMountOptions: '' },
    readAffinity: { enabled: true, crushLocationLabels: ['topology.kubernetes.io/zone'] },
  },
  { clusterID: 'second', monitors: ['mon:6789'] },
]);

describe('the clusters file', () => {
  it('is read in the format of ceph-csi', () => {
    expect(parseClusters(goDriverFile)).toEqual([
      {
        clusterId: 'rook-ceph',
        monitors: ['10.0.0.1:6789', '[v2:10.0.0.2:3300,v1:10.0.0.2:6789]'],
        rbd: { radosNamespace: 'team', deletedVolumeRetention: 0 },
        cephfs: { subvolumeGroup: 'shared', kernelMountOptions: 'noatime', fuseMountOptions: '' },
        readAffinity: { enabled: true, crushLocationLabels: ['topology.kubernetes.io/zone'] },
      },
      {
        clusterId: 'second',
        monitors: ['mon:6789'],
        rbd: { deletedVolumeRetention: 0 },
        cephfs: { subvolumeGroup: 'csi', kernelMountOptions: '', fuseMountOptions: '' },
        readAffinity: { enabled: false, crushLocationLabels: [] },
      },
    ]);
  });

  it.each([
    ['{', /it is not JSON/],
    ['{}', /list of clusters/],
    ['[1]', /clusters\[0\] has to be an object/],
    ['[{"monitors":["a"]}]', /clusters\[0\]\.clusterID has to be a string that is not empty, not undefined/],
    ['[{"clusterID":"a","monitors":[]}]', /clusters\[0\]\.monitors has to be a list of at least one string/],
    ['[{"clusterID":"a","monitors":"b"}]', /clusters\[0\]\.monitors has to be a list of strings, not "b"/],
    ['[{"clusterID":"a","monitors":["b"],"rbd":7}]', /clusters\[0\]\.rbd has to be an object/],
    ['[{"clusterID":"a","monitors":["b"]},{"clusterID":"a","monitors":["c"]}]', /"a" is there twice/],
    [
      '[{"clusterID":"a","monitors":["b"],"rbd":{"deletedVolumeRetention":"soon"}}]',
      /"soon" is not a duration/,
    ],
  ])('is refused when it is %s', (text, message) => {
    expect(() => parseClusters(text)).toThrow(message);
  });
});

describe('a source of clusters', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'clusters-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('names the known clusters when one is unknown', () => {
    const file = join(directory, 'config.json');
    writeFileSync(file, goDriverFile);
    const source = createClusterSource(file);
    expect(source.find('second').monitors).toEqual(['mon:6789']);
    expect(() => source.find('third')).toThrow(
      'clusterID: "third" is not in the clusters file; it has "rook-ceph", "second"',
    );
  });

  it('sees the file that a ConfigMap has put in its place', () => {
    const file = join(directory, 'config.json');
    writeFileSync(join(directory, 'one'), '[]');
    symlinkSync('one', file);
    const source = createClusterSource(file);
    expect(source.list()).toEqual([]);
    writeFileSync(join(directory, 'two'), goDriverFile);
    symlinkSync('two', join(directory, 'next'));
    renameSync(join(directory, 'next'), file);
    expect(source.find('second').clusterId).toBe('second');
  });

  it('says which file is missing or wrong', () => {
    const file = join(directory, 'config.json');
    const source = createClusterSource(file);
    expect(() => source.list()).toThrow(`clusters file ${file}: ENOENT`);
    writeFileSync(file, 'nonsense');
    expect(() => source.list()).toThrow(`clusters file ${file}: it is not JSON`);
  });
});

describe('a duration', () => {
  it.each([
    ['0', 0],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('%s', (text, milliseconds) => {
    expect(parseDuration(text, 'x')).toBe(milliseconds);
  });

  it.each(['', '5', '1w', '-1s', '01s', '1 h'])('%j is none', text => {
    expect(() => parseDuration(text, 'retention')).toThrow(/^retention: /);
  });
});
