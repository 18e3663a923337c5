import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/config/clusters.ts';
import type { Parameters } from '../../src/model/volume.ts';
import { Secret } from '../../src/model/secret.ts';
import { writeMarker } from '../../src/rbd/marker.ts';
import { createBackground } from '../../src/rbd/upkeep/background.ts';
import { createSessions } from '../../src/rbd/sessions.ts';
import { modifyVolume } from '../../src/rbd/volume-modification.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';

const cluster: Cluster = {
  clusterId: 'main',
  monitors: ['mon-a:6789'],
  rbd: { deletedVolumeRetention: 0 },
  cephfs: { subvolumeGroup: 'csi', kernelMountOptions: '', fuseMountOptions: '' },
  readAffinity: { enabled: false, crushLocationLabels: [] },
};
const secrets = { userID: new Secret('csi'), userKey: new Secret('hidden') };
const image = 'rbd/csi-vol-a';
const marker = { image: 'csi-vol-a', name: 'a', sizeBytes: 1n, depth: 0, retention: 0 };

const describing = (features: readonly string[], flags: readonly string[] = []): ScriptedCall => ({
  argv: ['rbd', 'info', image, '--format', 'json'],
  stdout: JSON.stringify({
    name: 'csi-vol-a',
    id: '10a7',
    size: 1,
    snapshot_count: 0,
    features,
    flags,
    create_timestamp: 'Tue Nov 24 15:38:45 2026',
  }),
});
const marking: ScriptedCall = {
  argv: ['rbd', 'image-meta', 'get', image, 'volume.csi-driver-ceph'],
  stdout: writeMarker(marker),
};
const watching = (...cookies: readonly string[]): ScriptedCall => ({
  argv: ['rbd', 'status', image, '--format', 'json'],
  stdout: `{"watchers":[${cookies.map(cookie => `{"address":"10.0.0.7:0/1","client":4225,"cookie":${cookie}}`).join()}]}`,
});
const finding: readonly ScriptedCall[] = [describing([]), marking, watching('140094585457952')];
const listing = (stdout: string): ScriptedCall => ({
  argv: ['rbd', 'image-meta', 'list', image, '--format', 'json'],
  stdout,
});

async function modify(mutableParameters: Parameters, ...script: readonly ScriptedCall[]): Promise<void> {
  const fake = createFakeExec(script);
  const sessions = createSessions(fake.exec, { find: () => cluster, list: () => [cluster] });
  try {
    const request = { volumeId: 'rbd1/main/rbd/csi-vol-a', secrets, mutableParameters };
    const context = createTestContext();
    const background = createBackground(context.log);
    await modifyVolume(sessions, background, request, context);
    await background.drain();
  } finally {
    fake.expectAllUsed();
  }
}

describe('a change of limits', () => {
  it('sets what differs, takes away what is 0, and leaves the rest', async () => {
    await modify(
      { maxIops: '200', maxBps: '0', maxWriteIops: '5' },
      ...finding,
      listing(
        '{"conf_rbd_qos_iops_limit":"100","conf_rbd_qos_bps_limit":"9","conf_rbd_qos_write_iops_limit":"5",' +
          '"conf_rbd_qos_read_iops_limit":"3","volume.csi-driver-ceph":"{}"}',
      ),
      { argv: ['rbd', 'image-meta', 'set', image, 'conf_rbd_qos_iops_limit', '200'] },
      { argv: ['rbd', 'image-meta', 'remove', image, 'conf_rbd_qos_bps_limit'] },
    );
  });

  it('changes nothing the second time', async () => {
    await modify({ maxIops: '200', maxBps: '0' }, ...finding, listing('{"conf_rbd_qos_iops_limit":"200"}'));
  });

  it('sets limits of an image that has no metadata to list', async () => {
    await modify({ maxIops: '1' }, ...finding, listing(''), {
      argv: ['rbd', 'image-meta', 'set', image, 'conf_rbd_qos_iops_limit', '1'],
    });
  });

  it('takes away what another call takes away at the same time', async () => {
    await modify({ maxIops: '0' }, ...finding, listing('{"conf_rbd_qos_iops_limit":"200"}'), {
      argv: ['rbd', 'image-meta', 'remove', image, 'conf_rbd_qos_iops_limit'],
      exitCode: 2,
      stderr: 'rbd: failed to remove rbd_qos_iops_limit: (2) No such file or directory\n',
    });
  });

  it('of a volume that the kernel has mapped is refused, unless it takes limits away', async () => {
    const found = [describing([]), marking, watching('18446462598732840961')];
    await expect(modify({ maxIops: '200' }, ...found)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining("the kernel's client at 10.0.0.7:0/1") as string,
    });
    await modify({ maxIops: '0' }, ...found, listing(''));
  });

  it('of nothing asks only whether the volume is there', async () => {
    await modify({}, ...finding);
    const missing = finding.map(call => ({ ...call, exitCode: 2, stdout: '' }));
    await expect(modify({}, ...missing)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('with an unknown key is refused without asking Ceph', async () => {
    await expect(modify({ maxFun: '1' })).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describe('a change of features', () => {
  it('takes away and gives what differs, and has a wrong object map made anew', async () => {
    await modify(
      { imageFeatures: 'layering, exclusive-lock,object-map' },
      describing(['layering', 'exclusive-lock', 'journaling', 'data-pool']),
      marking,
      watching(),
      { argv: ['rbd', 'feature', 'disable', image, 'journaling'] },
      { argv: ['rbd', 'feature', 'enable', image, 'object-map'] },
      describing(['layering', 'exclusive-lock', 'object-map', 'data-pool'], ['object map invalid']),
      { argv: ['rbd', 'object-map', 'rebuild', '--no-progress', image] },
    );
  });

  it('changes nothing the second time', async () => {
    const features = ['layering', 'exclusive-lock', 'object-map'];
    const found = describing(features);
    await modify({ imageFeatures: features.join(',') }, found, marking, watching(), found);
  });

  it.each([
    ['layering,deep-flatten', ['layering'], 'has deep-flatten, which a volume has from the start or never'],
    ['exclusive-lock', ['layering'], 'lacks layering, which cannot be taken'],
  ])('to %s is refused where Ceph cannot do it', async (imageFeatures, present, message) => {
    await expect(modify({ imageFeatures }, describing(present), marking, watching())).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(message) as string,
    });
  });

  it('to one that lacks what it needs is refused without asking Ceph', async () => {
    await expect(modify({ imageFeatures: 'layering,fast-diff' })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: 'mutable_parameters: imageFeatures "layering,fast-diff" has fast-diff, which needs object-map',
    });
  });
});
