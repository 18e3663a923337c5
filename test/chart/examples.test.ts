import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseVolumeParameters } from '../../src/cephfs/parameters.ts';
import { parseVolumeContext as parseCephfsContext } from '../../src/cephfs/volume-context.ts';
import { parseImageParameters } from '../../src/rbd/parameters.ts';
import { parseVolumeContext as parseRbdContext } from '../../src/rbd/volume-context.ts';
import { lintChart, parseObjects, renderObjects, SKIPS } from './helm.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const VALUES = ['--values', join(EXAMPLES, 'values.yaml')];
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** What the tests read of the objects in the examples. */
interface Example {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly storageClassName?: string;
    readonly volumeSnapshotClassName?: string;
    readonly csi?: {
      readonly driver: string;
      readonly volumeHandle: string;
      readonly volumeAttributes: Readonly<Record<string, string>>;
    };
  };
}

const files = globSync('*/*.yaml', { cwd: EXAMPLES }).sort();
const examples = files.flatMap(file =>
  parseObjects(readFileSync(join(EXAMPLES, file), 'utf8')).map(object => object as unknown as Example),
);

describe.skipIf(SKIPS)('the classes of examples/values.yaml', () => {
  test('are made by the chart', async () => {
    expect(await lintChart(VALUES)).toBeUndefined();
  });

  test('have parameters that the drivers accept', async () => {
    const classes = (await renderObjects(VALUES)).filter(object => object.kind === 'StorageClass');
    for (const { provisioner, parameters } of classes) {
      if (provisioner?.startsWith('rbd.') === true) parseImageParameters(parameters ?? {}, silent);
      else parseVolumeParameters(parameters ?? {});
    }
    expect(classes.length).toBe(2);
  });

  test('are those that the other examples name', async () => {
    const objects = await renderObjects(VALUES);
    const namesOf = (kind: string) =>
      objects.filter(object => object.kind === kind).map(object => object.metadata.name);
    const ofVolumes = examples.map(({ spec }) => spec.storageClassName ?? '').filter(name => name !== '');
    const ofSnapshots = examples.flatMap(({ spec }) => spec.volumeSnapshotClassName ?? []);
    expect(namesOf('StorageClass').sort()).toEqual([...new Set(ofVolumes)].sort());
    expect(namesOf('VolumeSnapshotClass').sort()).toEqual([...new Set(ofSnapshots)].sort());
  });
});

test('the volumes of the examples that exist already are understood by the drivers', () => {
  const volumes = examples.flatMap(({ spec }) => spec.csi ?? []);
  expect(volumes.map(volume => volume.driver).sort()).toEqual([
    'cephfs.csi-driver-ceph.io',
    'rbd.csi-driver-ceph.io',
  ]);
  for (const { driver, volumeHandle, volumeAttributes } of volumes) {
    if (driver.startsWith('rbd.')) {
      expect(parseRbdContext(volumeHandle, volumeAttributes).staticImage?.image).toBe('legacy-image');
    } else {
      expect(parseCephfsContext(volumeHandle, volumeAttributes).path).toBe('/shared/media');
    }
  }
});
