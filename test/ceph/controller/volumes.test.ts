import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createClusterSource } from '../../../src/config/clusters.ts';
import { createExec } from '../../../src/exec/run.ts';
import { GIB, MIB } from '../../../src/model/bytes.ts';
import { Secret } from '../../../src/model/secret.ts';
import { createRbdController } from '../../../src/rbd/controller.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import {
  ceph,
  cluster,
  listImages,
  listTrash,
  rados,
  rbd,
  values,
  withPoolQuota,
} from '../harness/cluster.ts';
import {
  createCall,
  createController,
  eventually,
  SETTLE_BOUND,
  secrets,
  SIZE,
  specOf,
  useController,
} from './fixture.ts';

const controller = useController();
const pool = cluster.pools.replicated;

async function readInfo(image: string): Promise<Record<string, unknown>> {
  return JSON.parse(await rbd('info', '--format', 'json', `${pool}/${image}`)) as Record<string, unknown>;
}

/** Has a client keep the image open while `work` runs. */
async function whileOpen(image: string, work: () => Promise<void>): Promise<void> {
  // An import of changes waits for its input with the image open.
  const user = spawn('rbd', ['--conf', cluster.conf, 'import-diff', '-', image], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  try {
    await eventually(async () => expect(await rbd('status', image)).toContain('watcher='));
    await work();
  } finally {
    const ended = once(user, 'exit');
    user.stdin.end();
    await ended;
  }
}

describe('a volume', () => {
  it('is an image with the features and the metadata that were asked for, found again by a retry', async () => {
    const spec = specOf('pvc-1', {
      parameters: {
        ...values.rbd.parameters,
        dataPool: cluster.pools.erasureCoded,
        imageFeatures: 'layering,exclusive-lock',
        objectSize: '1M',
        stripeUnit: '64K',
        stripeCount: '4',
        mapOptions: 'krbd:rxbounce',
        'csi.storage.k8s.io/pvc/name': 'claim',
        'csi.storage.k8s.io/pvc/namespace': 'default',
        'csi.storage.k8s.io/pv/name': 'pvc-1',
      },
      capacity: { requiredBytes: GIB + 1n },
    });
    const volume = await controller.createVolume(spec, createCall());
    expect(volume).toEqual({
      volumeId: `rbd1/${cluster.clusterId}/${pool}/csi-vol-pvc-1`,
      capacityBytes: GIB + MIB,
      context: { mapOptions: 'krbd:rxbounce' },
    });
    expect(await readInfo('csi-vol-pvc-1')).toMatchObject({
      size: Number(GIB + MIB),
      object_size: Number(MIB),
      stripe_unit: 65536,
      stripe_count: 4,
      data_pool: cluster.pools.erasureCoded,
      features: ['layering', 'striping', 'exclusive-lock', 'data-pool'],
    });
    const metadata = await rbd('image-meta', 'list', '--format', 'json', `${pool}/csi-vol-pvc-1`);
    expect(JSON.parse(metadata)).toMatchObject({ 'csi.storage.k8s.io/pvc/name': 'claim' });

    expect(await controller.createVolume(spec, createCall())).toEqual(volume);
    await controller.remove(volume);
    expect(await listImages()).not.toContain('csi-vol-pvc-1');
    await controller.remove(volume);
  });

  it('is refused where another one of its name does not fit', async () => {
    const volume = await controller.create('pvc-2');
    const larger = specOf('pvc-2', { capacity: { requiredBytes: 2n * GIB } });
    await expect(controller.createVolume(larger, createCall())).rejects.toMatchObject({
      kind: 'already-exists',
    });
    await controller.remove(volume);
  });

  it('grows, and never shrinks', async () => {
    const { volumeId } = await controller.create('pvc-3');
    const grown = { volumeId, secrets, capacity: { requiredBytes: 2n * GIB } };
    const result = { capacityBytes: 2n * GIB, nodeExpansionRequired: true };
    expect(await controller.expandVolume(grown, createCall())).toEqual(result);
    expect(await controller.expandVolume(grown, createCall())).toEqual(result);
    const smaller = { volumeId, secrets, capacity: { limitBytes: GIB } };
    await expect(controller.expandVolume(smaller, createCall())).rejects.toMatchObject({
      kind: 'out-of-range',
    });
    await controller.deleteVolume({ volumeId, secrets }, createCall());
  });

  it('is made once by calls side by side', async () => {
    const volumes = await Promise.all([1, 2, 3, 4].map(() => eventually(() => controller.create('pvc-4'))));
    expect(new Set(volumes.map(({ volumeId }) => volumeId)).size).toBe(1);
    await Promise.all(volumes.map(volume => eventually(() => controller.remove(volume))));
  });

  it('stays while it is open, and the error names who has it open', async () => {
    const volume = await controller.create('pvc-5');
    const image = `${pool}/csi-vol-pvc-5`;
    await whileOpen(image, async () => {
      await expect(controller.remove(volume)).rejects.toMatchObject({
        kind: 'failed-precondition',
        message: expect.stringMatching(/is in use at \d+\.\d+\.\d+\.\d+:/) as string,
      });
      expect(await listImages()).toContain('csi-vol-pvc-5');
    });
    await eventually(() => controller.remove(volume));
  });

  it('waits in the trash for as long as its class says', async () => {
    const parameters = { ...values.rbd.parameters, deletedVolumeRetention: '1h' };
    const volume = await controller.createVolume(specOf('pvc-6', { parameters }), createCall());
    await controller.remove(volume);
    const kept = (await listTrash()).find(entry => entry.endsWith(' csi-vol-pvc-6'));
    expect(kept).toBeDefined();
    const imageId = kept?.split(' ')[0] ?? '';
    await rbd('trash', 'restore', `${pool}/${imageId}`);
    expect((await controller.createVolume(specOf('pvc-6', { parameters }), createCall())).volumeId).toBe(
      volume.volumeId,
    );
    await controller.remove(volume);
    await rbd('trash', 'rm', '--force', `${pool}/${imageId}`);
  });
});

describe("what is not this driver's", () => {
  it('is neither taken for a volume nor deleted', async () => {
    const image = `${pool}/csi-vol-foreign`;
    await rbd('create', '--size', '64M', image);
    await rbd('bench', '--io-type', 'write', '--io-size', '4K', '--io-total', '64K', image);
    const volumeId = `rbd1/${cluster.clusterId}/${pool}/csi-vol-foreign`;
    await expect(controller.create('foreign')).rejects.toMatchObject({ kind: 'already-exists' });
    await expect(controller.deleteVolume({ volumeId, secrets }, createCall())).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    const expansion = { volumeId, secrets, capacity: { requiredBytes: GIB } };
    await expect(controller.expandVolume(expansion, createCall())).rejects.toMatchObject({
      kind: 'not-found',
    });
    expect(await readInfo('csi-vol-foreign')).toMatchObject({ size: Number(64n * MIB) });
    await rbd('rm', image);
  });

  it('stays in the trash', async () => {
    await rbd('create', '--size', '64M', `${pool}/somebody`);
    await rbd('trash', 'mv', `${pool}/somebody`);
    controller.start();
    const volume = await controller.create('pvc-7');
    await controller.remove(volume);
    await eventually(async () => {
      expect(await listTrash()).toEqual([expect.stringMatching(/ somebody$/)]);
    });
    const [entry = ''] = await listTrash();
    await rbd('trash', 'rm', `${pool}/${entry.split(' ')[0] ?? ''}`);
  });
});

describe('what a killed program has left', () => {
  it('is removed when the volume is made or deleted', async () => {
    await rbd('create', '--size', '32M', `${pool}/csi-vol-half`);
    const volume = await controller.create('half');
    expect(await readInfo('csi-vol-half')).toMatchObject({ size: Number(SIZE) });
    await controller.remove(volume);

    await rbd('create', '--size', '32M', `${pool}/csi-vol-half`);
    const { id } = await readInfo('csi-vol-half');
    await rados('--pool', pool, 'rm', `rbd_header.${String(id)}`);
    await expect(rbd('info', `${pool}/csi-vol-half`)).rejects.toThrow();
    await controller.create('half');
    await controller.remove(volume);

    await rbd('create', '--size', '32M', `${pool}/csi-vol-half`);
    await controller.remove(volume);
    expect(await listImages()).not.toContain('csi-vol-half');
  });

  it('is taken from the trash by the next driver when only the entry there is left', async () => {
    await rbd('create', '--size', '32M', `${pool}/csi-vol-gone`);
    const { id } = await readInfo('csi-vol-gone');
    await rbd('trash', 'mv', `${pool}/csi-vol-gone`);
    for (const part of ['header', 'object_map'])
      await rados('--pool', pool, 'rm', `rbd_${part}.${String(id)}`);
    createController().start();
    await eventually(async () => expect(await listTrash()).toEqual([]));
  });

  it.each(['before', 'after'])(
    'is ended: a renaming that was killed %s it was in the directory',
    async moment => {
      const volume = await controller.create('renamed');
      const snapshot = await controller.snapshot('of-renamed', volume);
      const { id } = await readInfo('csi-vol-renamed');
      const tombstone = `csi-deleted-${String(id)}-csi-vol-renamed`;
      const place = ['--pool', pool] as const;
      if (moment === 'before') {
        await rados(...place, 'cp', 'rbd_id.csi-vol-renamed', `rbd_id.${tombstone}`);
      } else {
        await rbd('mv', `${pool}/csi-vol-renamed`, `${pool}/${tombstone}`);
        await rados(...place, 'cp', `rbd_id.${tombstone}`, 'rbd_id.csi-vol-renamed');
      }
      await controller.remove(volume);
      expect(await listImages()).toEqual([tombstone]);
      expect((await rados(...place, 'ls')).split('\n')).not.toContain('rbd_id.csi-vol-renamed');
      await controller.removeSnapshot(snapshot);
      await eventually(async () => expect(await listTrash()).toEqual([]));
      expect(await listImages()).toEqual([]);
    },
  );

  it('is out of the way though Ceph still lists the killed program as a watcher', async () => {
    const image = `${pool}/csi-vol-watched`;
    await rbd('create', '--size', '32M', image);
    await whileOpen(image, async () => {
      const volume = await controller.create('watched');
      expect(await readInfo('csi-vol-watched')).toMatchObject({ size: Number(SIZE) });
      expect(await listTrash()).toEqual([expect.stringMatching(/ csi-vol-watched$/)]);
      await controller.remove(volume);
    });
    await eventually(async () => expect(await listTrash()).toEqual([]));
  });
});

describe('what is wrong at the cluster', () => {
  it('is told: a pool that is not there', async () => {
    const parameters = { ...values.rbd.parameters, pool: 'nowhere' };
    await expect(
      controller.createVolume(specOf('pvc-8', { parameters }), createCall()),
    ).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining('"nowhere"') as string,
    });
    const volumeId = `rbd1/${cluster.clusterId}/nowhere/csi-vol-pvc-8`;
    await controller.deleteVolume({ volumeId, secrets }, createCall());
  });

  it('is told: a wrong key', async () => {
    const wrong = { ...secrets, userKey: new Secret('AQAm9m1gAAAAABAAoJ6bqWDpXcZ3uSNhZVXVWw==') };
    await expect(
      controller.createVolume(specOf('pvc-9', { secrets: wrong }), createCall()),
    ).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('is told: monitors that cannot be reached', async () => {
    const source = createClusterSource(cluster.clustersFile);
    const away = { ...source.find(cluster.clusterId), monitors: ['v2:127.0.0.1:1'] };
    const lost = createRbdController({
      exec: createExec(),
      clusters: { find: () => away, list: () => [away] },
      log: createTestContext().log,
    });
    await expect(lost.createVolume(specOf('pvc-10'), createCall())).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('v2:127.0.0.1:1 cannot be reached') as string,
    });
  });

  it('is told: a pool that is full', { timeout: 3 * SETTLE_BOUND }, async () => {
    const full = 'full';
    await ceph('osd', 'pool', 'create', full, '1');
    try {
      await rbd('pool', 'init', full);
      await rados('--pool', full, 'put', 'filler', import.meta.filename);
      await withPoolQuota(full, 1n, async () => {
        await eventually(async () => {
          expect(await ceph('osd', 'pool', 'ls', 'detail')).toContain('full_quota');
        });
        const parameters = { ...values.rbd.parameters, pool: full };
        const user = { userID: new Secret('admin'), userKey: new Secret(await readAdminKey()) };
        await expect(
          controller.createVolume(specOf('pvc-11', { parameters, secrets: user }), createCall()),
        ).rejects.toMatchObject({
          kind: 'resource-exhausted',
          message: expect.stringContaining('pool "full" is full: it has reached its quota') as string,
        });
      });
    } finally {
      await ceph('osd', 'pool', 'delete', full, full, '--yes-i-really-really-mean-it');
    }
  });
});

async function readAdminKey(): Promise<string> {
  return (await ceph('auth', 'print-key', 'client.admin')).trim();
}
