import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSnapshotHandle,
  decodeVolumeHandle,
  encodeSnapshotHandle,
  encodeVolumeHandle,
  type SnapshotHandle,
  type VolumeHandle,
} from '../../src/model/handle.ts';

const part = fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' });

const volumeHandle: fc.Arbitrary<VolumeHandle> = fc.oneof(
  fc.record(
    { backend: fc.constant('rbd' as const), clusterId: part, pool: part, namespace: part, image: part },
    { requiredKeys: ['backend', 'clusterId', 'pool', 'image'] },
  ),
  fc.record({
    backend: fc.constant('cephfs' as const),
    clusterId: part,
    fsName: part,
    group: part,
    subvolume: part,
  }),
);

const snapshotHandle: fc.Arbitrary<SnapshotHandle> = fc.oneof(
  fc.record(
    {
      backend: fc.constant('rbd' as const),
      clusterId: part,
      pool: part,
      namespace: part,
      imageId: part,
      snapshotNumber: fc.bigInt({ min: 0n, max: 10n ** 18n }),
    },
    { requiredKeys: ['backend', 'clusterId', 'pool', 'imageId', 'snapshotNumber'] },
  ),
  fc.record({
    backend: fc.constant('cephfs' as const),
    clusterId: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
    fsName: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
    group: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
    subvolume: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
    snapshot: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
  }),
);

describe('a volume handle', () => {
  it('reads like a path', () => {
    const handle = { backend: 'rbd', clusterId: 'ceph-1', pool: 'rbd', image: 'csi-vol-pvc-1' } as const;
    expect(encodeVolumeHandle(handle)).toBe('rbd1/ceph-1/rbd/csi-vol-pvc-1');
    expect(encodeVolumeHandle({ ...handle, namespace: 'team/a' })).toBe(
      'rbd1/ceph-1/rbd/team%2Fa/csi-vol-pvc-1',
    );
  });

  it('comes back as it was, whatever the names', () => {
    fc.assert(
      fc.property(volumeHandle, handle => {
        expect(decodeVolumeHandle(encodeVolumeHandle(handle))).toEqual(handle);
      }),
    );
  });

  it('is decoded only when encoding gives the same text again', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(text => `rbd1/${text}`),
          fc.webPath(),
        ),
        text => {
          const handle = decodeVolumeHandle(text);
          if (handle !== undefined) expect(encodeVolumeHandle(handle)).toBe(text);
        },
      ),
    );
  });

  it.each([
    '',
    'rbd1',
    'rbd1/a/b',
    'rbd1/a/b/c/d/e',
    'rbd1/a//c',
    'rbd1/a/b/%zz',
    'rbd1/a/b/%61',
    'rbd2/a/b/c',
    'cephfs1/a/b/c',
    '0001-0009-rook-ceph-0000000000000001-8a1b0b0c',
  ])('leaves %j to others', id => {
    expect(decodeVolumeHandle(id)).toBeUndefined();
  });

  it('says what to shorten when it would not fit into 128 bytes', () => {
    const handle = { backend: 'rbd', clusterId: 'c'.repeat(60), pool: 'p'.repeat(60), image: 'i' } as const;
    expect(encodeVolumeHandle(handle)).toHaveLength(128);
    expect(() => encodeVolumeHandle({ ...handle, image: 'ii' })).toThrow(
      /would be 129 bytes, and CSI allows 128/,
    );
  });
});

describe('a snapshot handle', () => {
  it('comes back as it was, whatever the names', () => {
    fc.assert(
      fc.property(snapshotHandle, handle => {
        expect(decodeSnapshotHandle(encodeSnapshotHandle(handle))).toEqual(handle);
      }),
    );
  });

  it.each([
    'rbds1/c/p/id',
    'rbds1/c/p/id/x',
    'rbds1/c/p/id/01',
    'rbds1/c/p/id/-1',
    'rbd1/c/p/i',
    'cephfss1/a/b/c/d',
  ])('leaves %j to others', id => {
    expect(decodeSnapshotHandle(id)).toBeUndefined();
  });
});
