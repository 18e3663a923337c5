import { describe, expect, it } from 'vitest';
import type { Cluster, ClusterSource } from '../../src/config/clusters.ts';
import { GIB } from '../../src/model/bytes.ts';
import type { ErrorKind } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import type { VolumeSpec } from '../../src/model/volume.ts';
import { createRbdController } from '../../src/rbd/controller.ts';
import { writeMarker } from '../../src/rbd/marker.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';

const cluster: Cluster = {
  clusterId: 'main',
  monitors: ['mon-a:6789'],
  rbd: { radosNamespace: 'team', deletedVolumeRetention: 0 },
  cephfs: { subvolumeGroup: 'csi', kernelMountOptions: '', fuseMountOptions: '' },
  readAffinity: { enabled: false, crushLocationLabels: [] },
};
const clusters: ClusterSource = { find: () => cluster, list: () => [cluster] };
const secrets = { userID: new Secret('csi'), userKey: new Secret('hidden') };
const context = createTestContext();

const spec: VolumeSpec = {
  name: 'pvc-1',
  capacity: { requiredBytes: GIB },
  capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'single-node-writer' }],
  parameters: { clusterID: 'main', pool: 'rbd' },
  mutableParameters: {},
  secrets,
};
const image = 'rbd/team/csi-vol-pvc-1';
const volumeId = 'rbd1/main/rbd/team/csi-vol-pvc-1';
const marker = { image: 'csi-vol-pvc-1', name: 'pvc-1', sizeBytes: GIB, depth: 0, retention: 0 };

const importing = ['rbd', 'import', '--export-format', '2', '--no-progress', '-', image];
const sweeping: readonly ScriptedCall[] = [
  { argv: ['rbd', 'trash', 'ls', 'rbd/team', '--all', '--format', 'json'], stdout: '[]' },
  { argv: ['rbd', 'ls', 'rbd/team', '--format', 'json'], stdout: '[]' },
  {
    argv: ['rados', '--pool', 'rbd', '--namespace', 'team', 'listomapkeys', 'csi-driver-ceph.flattening'],
    exitCode: 1,
    stderr: 'error getting omap key set rbd/csi-driver-ceph.flattening: (2) No such file or directory\n',
  },
];
const reading = (size: bigint): readonly ScriptedCall[] => [
  {
    argv: ['rbd', 'info', image, '--format', 'json'],
    stdout: `{"name":"csi-vol-pvc-1","id":"10a7","size":${String(size)},"snapshot_count":0,"features":[],"create_timestamp":"Tue Nov 24 15:38:45 2026"}`,
  },
  {
    argv: ['rbd', 'image-meta', 'get', image, 'volume.csi-driver-ceph'],
    stdout: `${writeMarker(marker)}\n`,
  },
];

function start(...script: readonly ScriptedCall[]) {
  const fake = createFakeExec(script);
  const controller = createRbdController({ exec: fake.exec, clusters, log: context.log });
  return { fake, controller };
}

/** Lets the work that goes on after an answer come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
}

describe('the processes of a call', () => {
  it('making a volume: one; the pool is swept after the first answer', async () => {
    const { controller, fake } = start({ argv: importing }, ...sweeping, { argv: importing });
    const volume = { volumeId, capacityBytes: GIB, context: {} };
    expect(controller.chooseVolumeId(spec)).toBe(volumeId);
    expect(await controller.createVolume(spec, context)).toEqual(volume);
    await settle();
    expect(await controller.createVolume(spec, context)).toEqual(volume);
    await settle();
    fake.expectAllUsed();
    expect(Buffer.from(fake.commands[0]?.input ?? '').toString()).toContain(writeMarker(marker));
  });

  it('finding it again: three', async () => {
    const { controller, fake } = start(
      { argv: importing, exitCode: 17, stderr: 'rbd: import failed: (17) File exists' },
      ...reading(GIB),
      ...sweeping,
    );
    expect((await controller.createVolume(spec, context)).capacityBytes).toBe(GIB);
    await settle();
    fake.expectAllUsed();
  });

  it('growing it: three', async () => {
    const { controller, fake } = start(...reading(GIB), {
      argv: ['rbd', 'resize', '--size', '2147483648B', '--no-progress', image],
    });
    const request = { volumeId, secrets, capacity: { requiredBytes: 2n * GIB } };
    const grown = await controller.expandVolume(request, context);
    expect(grown).toEqual({ capacityBytes: 2n * GIB, nodeExpansionRequired: true });
    fake.expectAllUsed();
  });

  it('deleting it: four, and one in the background', async () => {
    const { controller, fake } = start(
      ...reading(GIB),
      { argv: ['rbd', 'status', image, '--format', 'json'], stdout: '{"watchers":[]}' },
      { argv: ['rbd', 'trash', 'mv', image] },
      { argv: ['rbd', 'trash', 'rm', '--no-progress', 'rbd/team/10a7'] },
      ...sweeping,
    );
    await controller.deleteVolume({ volumeId, secrets }, context);
    await settle();
    await controller.drain();
    fake.expectAllUsed();
  });
});

describe('what is refused without asking Ceph', () => {
  const { controller, fake } = start();

  const refused: readonly {
    readonly wish: Partial<VolumeSpec>;
    readonly kind: ErrorKind;
    readonly message: string;
  }[] = [
    { wish: { secrets: {} }, kind: 'invalid-argument', message: 'secrets: userID is missing' },
    {
      wish: { secrets: { userID: new Secret('csi') } },
      kind: 'invalid-argument',
      message: 'secrets: userKey is missing',
    },
    {
      wish: { mutableParameters: { maxFun: '1' } },
      kind: 'invalid-argument',
      message: '"maxFun" is unknown; known are maxIops, ',
    },
    {
      wish: {
        mutableParameters: { maxIops: '1' },
        parameters: { ...spec.parameters, mounter: 'rbd' },
      },
      kind: 'invalid-argument',
      message: "the kernel's client",
    },
    {
      wish: {
        capabilities: [{ access: { type: 'mount', mountFlags: [] }, mode: 'multi-node-multi-writer' }],
      },
      kind: 'invalid-argument',
      message: 'multi-node-multi-writer is not possible for a file-system volume',
    },
    {
      wish: { capacity: { requiredBytes: 2n, limitBytes: 3n } },
      kind: 'out-of-range',
      message: 'multiples of 1 MiB',
    },
    {
      wish: { source: { type: 'volume', volumeId: 'x' } },
      kind: 'not-found',
      message: '"x" is no volume of this driver',
    },
    {
      wish: { source: { type: 'snapshot', snapshotId: 'rbds1/other/rbd/10a7/4' } },
      kind: 'invalid-argument',
      message: 'it is in cluster "other"',
    },
  ];

  it.each(refused)('making a volume: $message', async ({ wish, kind, message }) => {
    await expect(controller.createVolume({ ...spec, ...wish }, context)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(message) as string,
    });
    fake.expectAllUsed();
  });

  it('deleting what this driver never made is done already', async () => {
    for (const id of ['x', 'cephfs1/main/fs/csi/a', 'rbd1/main/rbd/a%40b']) {
      await controller.deleteVolume({ volumeId: id, secrets }, context);
      await controller.deleteSnapshot?.({ snapshotId: id, secrets }, context);
    }
    await expect(
      controller.expandVolume({ volumeId: 'x', secrets, capacity: {} }, context),
    ).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('raw block volumes can be written by several nodes', async () => {
    const { controller: sharing, fake: used } = start(...reading(GIB));
    const request = { volumeId, secrets, context: {}, parameters: {}, mutableParameters: {} };
    const mode = 'multi-node-multi-writer' as const;
    const capabilities = [{ access: { type: 'block' as const }, mode }];
    expect(await sharing.validateVolume({ ...request, capabilities }, context)).toBeUndefined();
    used.expectAllUsed();
  });
});
