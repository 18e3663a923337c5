import { describe, expect, it } from 'vitest';
import type { StageRequest } from '../../../src/model/node-backend.ts';
import { Secret } from '../../../src/model/secret.ts';
import { parseClusters } from '../../../src/config/clusters.ts';
import type { ClusterSource } from '../../../src/config/clusters.ts';
import { planStage } from '../../../src/rbd/node/request.ts';
import { createSessions } from '../../../src/rbd/sessions.ts';
import { createFakeExec, createTestContext } from '../../exec/fake-exec.ts';

const [cluster] = parseClusters('[{"clusterID": "ceph", "monitors": ["10.0.0.1:6789"]}]');
const clusters: ClusterSource = {
  find: () => cluster ?? expect.unreachable(),
  list: () => [],
};
const sessions = createSessions(createFakeExec([]).exec, clusters);

function plan(changes: Partial<StageRequest>) {
  const request: StageRequest = {
    volumeId: 'rbd1/ceph/rbd/csi-vol-a',
    stagingPath: '/staging',
    capability: { access: { type: 'mount', mountFlags: [] }, mode: 'single-node-writer' },
    context: {},
    publishContext: {},
    secrets: { userID: new Secret('node'), userKey: new Secret('c2VjcmV0') },
    ...changes,
  };
  return planStage(request, sessions, createTestContext());
}

describe('planStage', () => {
  it('takes the place of the image from the volume ID', () => {
    const { image, access, readOnly, singleWriter } = plan({ volumeId: 'rbd1/ceph/rbd/tenant/csi-vol-a' });
    expect(image).toEqual({
      volumeId: 'rbd1/ceph/rbd/tenant/csi-vol-a',
      clusterId: 'ceph',
      pool: 'rbd',
      namespace: 'tenant',
      image: 'csi-vol-a',
    });
    expect(access).toEqual({ type: 'mount', fsType: 'ext4', options: [] });
    expect([readOnly, singleWriter]).toEqual([false, true]);
  });

  it('takes the place of a static volume from its context', () => {
    const context = { staticVolume: 'true', clusterID: 'ceph', pool: 'old', imageName: 'by-hand' };
    expect(plan({ volumeId: 'my-volume', context }).image).toMatchObject({
      volumeId: 'my-volume',
      pool: 'old',
      image: 'by-hand',
    });
  });

  it('maps and mounts read-only for readers, and for those who mount read-only', () => {
    const access = { type: 'mount', fsType: 'xfs', mountFlags: ['noatime'] } as const;
    const reader = plan({ capability: { access, mode: 'multi-node-reader-only' } });
    expect(reader).toMatchObject({ readOnly: true, singleWriter: false });
    expect(reader.access).toEqual({ type: 'mount', fsType: 'xfs', options: ['noatime', 'ro'] });
    const flagged = { access: { ...access, mountFlags: ['ro'] }, mode: 'single-node-writer' } as const;
    expect(plan({ capability: flagged }).readOnly).toBe(true);
  });

  it('lets several nodes write to a raw block volume only', () => {
    const mode = 'multi-node-multi-writer';
    const block = { access: { type: 'block' }, mode } as const;
    expect(plan({ capability: block })).toMatchObject({ readOnly: false, singleWriter: false });
    const mount = { access: { type: 'mount', mountFlags: [] }, mode } as const;
    expect(() => plan({ capability: mount })).toThrow(/multi-node-multi-writer is not possible/);
  });

  it('refuses a volume that this driver never made', () => {
    expect(() => plan({ volumeId: 'someone-elses' })).toThrow(
      expect.objectContaining({ kind: 'not-found' }) as Error,
    );
  });

  it('wants credentials', () => {
    expect(() => plan({ secrets: {} })).toThrow(/secrets: userID is missing/);
  });

  it('takes the passphrase of an encrypted volume from the Secret', () => {
    const secrets = { userID: new Secret('node'), userKey: new Secret('c2VjcmV0') };
    const context = { encrypted: 'true' };
    const encryptionPassphrase = new Secret('open sesame');
    const { passphrase } = plan({ context, secrets: { ...secrets, encryptionPassphrase } });
    expect(passphrase).toBe(encryptionPassphrase);
    expect(() => plan({ context, secrets })).toThrow('encryptionPassphrase is missing');
    expect(plan({ secrets: { ...secrets, encryptionPassphrase } }).passphrase).toBeUndefined();
  });
});
