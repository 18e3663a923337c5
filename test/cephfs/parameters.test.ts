import { describe, expect, it } from 'vitest';
import {
  chooseSnapshotName,
  chooseSubvolumeName,
  chooseViewName,
  isView,
  viewPrefix,
} from '../../src/cephfs/names.ts';
import { parseSnapshotParameters, parseVolumeParameters } from '../../src/cephfs/parameters.ts';
import { encodeSnapshotHandle, encodeVolumeHandle } from '../../src/model/handle.ts';

const needed = { clusterID: 'c', fsName: 'fs' };

describe('StorageClass parameters', () => {
  it('may be those of the Go driver', () => {
    const parsed = parseVolumeParameters({
      ...needed,
      pool: 'data',
      volumeNamePrefix: 'team-',
      mounter: 'kernel',
      kernelMountOptions: 'readdir_max_bytes=1048576',
      encrypted: 'false',
      encryptionKMSID: 'vault',
      'csi.storage.k8s.io/provisioner-secret-name': 'secret',
    });
    expect(parsed).toEqual({
      clusterId: 'c',
      fsName: 'fs',
      pool: 'data',
      volumeNamePrefix: 'team-',
      backingSnapshot: false,
      ignored: ['encryptionKMSID'],
    });
  });

  it.each([
    [{ clusterID: 'c' }, /fsName is missing/],
    [{ ...needed, colour: 'red' }, /"colour" is not known; CephFS has clusterID, fsName/],
    [{ ...needed, encrypted: 'true' }, /encrypted: "true" is not possible/],
    [{ ...needed, mounter: 'nfs' }, /"nfs" is not one of auto, kernel, fuse/],
    [{ ...needed, volumeNamePrefix: '../' }, /volumeNamePrefix: "\.\.\/" is not a prefix/],
    [{ ...needed, volumeNamePrefix: '-f' }, /is not a prefix/],
    [{ ...needed, volumeNamePrefix: 'csi-view-' }, /is not a prefix/],
    [{ ...needed, backingSnapshot: 'yes' }, /backingSnapshot: "yes" is neither true nor false/],
  ])('refuses %j', (parameters, message) => {
    expect(() => parseVolumeParameters(parameters)).toThrow(message);
  });

  it('of snapshots cannot take the prefix of the driver’s own', () => {
    expect(() => parseSnapshotParameters({ snapshotNamePrefix: 'csi-clone-x' })).toThrow(/csi-clone-/);
  });
});

describe('names', () => {
  const home = { clusterId: 'd41dee53-33b5-4326-8aad-445bdf38a310', fsName: 'cephfs', group: 'csi' };

  it('are readable for the claims of Kubernetes', () => {
    const name = 'pvc-d41dee53-33b5-4326-8aad-445bdf38a310';
    expect(chooseSubvolumeName(home, 'csi-vol-', name)).toBe(`csi-vol-${name}`);
  });

  it('of views tell the claim and their snapshot, and are told from those of other volumes', () => {
    const name = 'pvc-d41dee53-33b5-4326-8aad-445bdf38a310';
    const place = { ...home, backend: 'cephfs', subvolume: 'csi-vol-x', snapshot: 'csi-snap-y' } as const;
    const view = chooseViewName(place, name);
    expect(view).toMatch(new RegExp(`^csi-view-[0-9a-f]{12}-${name}$`));
    expect(view.startsWith(viewPrefix(place))).toBe(true);
    expect(viewPrefix({ ...place, snapshot: 'csi-snap-z' })).not.toBe(viewPrefix(place));
    expect(isView(view)).toBe(true);
    expect(isView(chooseSubvolumeName(home, 'csi-', view.slice('csi-'.length)))).toBe(false);
    const longer = { ...place, fsName: 'f'.repeat(30) };
    const short = chooseViewName(longer, name);
    expect(() => encodeVolumeHandle({ ...longer, group: 'csi-views', subvolume: short })).not.toThrow();
    expect(isView(short)).toBe(true);
  });

  it.each(['a', 'x'.repeat(55), 'x'.repeat(128), 'ä b/c'])('leave room for a snapshot of %s', request => {
    const subvolume = chooseSubvolumeName(home, 'csi-vol-', request);
    const source = { ...home, backend: 'cephfs', subvolume } as const;
    for (const prefix of ['csi-snap-', 'a-rather-long-prefix-for-it-']) {
      const snapshot = chooseSnapshotName(source, prefix, request);
      expect(() => encodeSnapshotHandle({ ...source, snapshot })).not.toThrow();
    }
  });
});
