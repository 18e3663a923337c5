import { describe, expect, it } from 'vitest';
import {
  isTombstone,
  readMarker,
  tombstoneName,
  volumeNameOf,
  writeMarker,
  type Marker,
} from '../../src/rbd/marker.ts';

const marker: Marker = {
  image: 'csi-vol-a',
  name: 'a',
  source: { type: 'snapshot', snapshotId: 'rbds1/main/rbd/10a7/4' },
  sizeBytes: 1n << 40n,
  depth: 3,
  retention: 3_600_000,
};

describe('the marker of a volume', () => {
  it('is read as it was written', () => {
    expect(readMarker(writeMarker(marker))).toEqual(marker);
    expect(readMarker(`${writeMarker(marker).slice(0, -1)},"later":true}`)).toEqual(marker);
  });

  it.each([undefined, '', 'x', '[]', '{}', '{"version":2,"image":"a","name":"a","sizeBytes":1}'])(
    'is not: %s',
    text => {
      expect(readMarker(text)).toBeUndefined();
    },
  );
});

it('a tombstone tells the name of the volume that it was', () => {
  const image = { name: tombstoneName('10a7', 'csi-vol-a'), imageId: '10a7' };
  expect(image.name).toBe('csi-deleted-10a7-csi-vol-a');
  expect([isTombstone(image), volumeNameOf(image)]).toEqual([true, 'csi-vol-a']);
  const other = { ...image, imageId: '10a8' };
  expect([isTombstone(other), volumeNameOf(other)]).toEqual([false, other.name]);
});
