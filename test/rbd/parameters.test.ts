import { describe, expect, it } from 'vitest';
import { parseImageParameters, parseSnapshotPrefix } from '../../src/rbd/parameters.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const { log } = createTestContext();
const least = { clusterID: 'main', pool: 'rbd' };

describe('the parameters of a StorageClass', () => {
  it('have defaults', () => {
    expect(parseImageParameters(least, log)).toEqual({
      clusterId: 'main',
      pool: { name: 'rbd' },
      otherPools: [],
      features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
      order: 22,
      stripeUnit: 4194304n,
      stripeCount: 1n,
      namePrefix: 'csi-vol-',
      metadata: new Map(),
      context: {},
    });
  });

  it("are taken as the Go driver's users write them", () => {
    const warnings: object[] = [];
    const parameters = parseImageParameters(
      {
        ...least,
        dataPool: 'ec',
        imageFeatures: 'layering, exclusive-lock',
        mounter: 'rbd-nbd',
        mapOptions: 'krbd:rxbounce;nbd:timeout=60',
        cephLogDir: '/var/log',
        encrypted: 'false',
        volumeNamePrefix: 'team-',
        'csi.storage.k8s.io/fstype': 'xfs',
        'csi.storage.k8s.io/pvc/name': 'claim',
      },
      { ...log, warn: fields => warnings.push(fields) },
    );
    expect(parameters).toMatchObject({
      pool: { name: 'rbd', dataPool: 'ec' },
      features: ['layering', 'exclusive-lock'],
      namePrefix: 'team-',
      context: { mounter: 'rbd-nbd', mapOptions: 'krbd:rxbounce;nbd:timeout=60' },
    });
    expect([...parameters.metadata]).toEqual([['csi.storage.k8s.io/pvc/name', 'claim']]);
    expect(warnings).toEqual([{ parameters: ['cephLogDir'] }]);
  });

  it('may ask for encrypted volumes', () => {
    const encrypted = { ...least, encrypted: 'true', encryptionType: 'block' };
    expect(parseImageParameters(encrypted, log).context).toEqual({ encrypted: 'true' });
  });

  it('give object size and striping', () => {
    const striped = { ...least, objectSize: '1M', stripeUnit: '65536', stripeCount: '4' };
    expect(parseImageParameters(striped, log)).toMatchObject({
      order: 20,
      stripeUnit: 65536n,
      stripeCount: 4n,
    });
  });

  it.each([
    [{ pool: 'rbd' }, 'clusterID is missing'],
    [{ clusterID: 'main' }, 'pool is missing'],
    [{ ...least, fooBar: '1' }, '"fooBar" is unknown; known are clusterID, pool'],
    [{ ...least, pool: 'a/b' }, 'pool "a/b"'],
    [{ ...least, imageFeatures: 'layering,object-map' }, 'object-map, which needs exclusive-lock'],
    [{ ...least, imageFeatures: 'fastdiff' }, 'imageFeatures "fastdiff" is not one of'],
    [{ ...least, objectSize: '3M' }, 'objectSize "3M"'],
    [{ ...least, stripeUnit: '64K' }, 'stripeCount is missing'],
    [{ ...least, stripeUnit: '3K', stripeCount: '2' }, 'stripeUnit "3K" does not divide'],
    [{ ...least, encrypted: 'true', encryptionKMSID: 'vault' }, 'encryptionKMSID "vault" is not supported'],
    [{ ...least, encrypted: 'true', encryptionType: 'file' }, 'encryptionType "file" is not supported'],
    [{ ...least, encrypted: 'true', encryptionCipher: 'x' }, 'encryptionCipher "x" is not supported'],
    [{ ...least, encrypted: 'yes' }, 'neither true nor false'],
    [{ ...least, mounter: 'iscsi' }, 'mounter: "iscsi"'],
    [{ ...least, mapOptions: 'scsi:a' }, 'mapOptions: "scsi:a"'],
    [{ ...least, volumeNamePrefix: '-x' }, 'volumeNamePrefix "-x"'],
    [{ ...least, volumeNamePrefix: 'csi-deleted-' }, 'volumeNamePrefix "csi-deleted-"'],
    [{ ...least, deletedVolumeRetention: 'soon' }, 'deletedVolumeRetention: "soon"'],
  ])('are refused: %j', (parameters, message) => {
    expect(() => parseImageParameters(parameters, log)).toThrow(message);
  });
});

it('a VolumeSnapshotClass names the prefix of snapshots', () => {
  expect(parseSnapshotPrefix({ clusterID: 'main' }, log)).toBe('csi-snap-');
  expect(parseSnapshotPrefix({ snapshotNamePrefix: 'nightly-' }, log)).toBe('nightly-');
  expect(() => parseSnapshotPrefix({ dataPool: 'x' }, log)).toThrow('"dataPool" is unknown');
});
