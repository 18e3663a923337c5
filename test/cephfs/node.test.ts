import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFuseMounter } from '../../src/cephfs/mounters/fuse.ts';
import { createKernelMounter } from '../../src/cephfs/mounters/kernel.ts';
import { createCephfsNode } from '../../src/cephfs/node.ts';
import { Secret } from '../../src/model/secret.ts';
import type { StageRequest } from '../../src/model/node-backend.ts';
import type { Mount } from '../../src/mount/mountinfo.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';
import { clusters } from './environment.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cephfs-node-'));
});
afterEach(async () => rm(directory, { recursive: true }));

const volumeId = 'cephfs1/c/fs/csi/csi-vol-pvc-1';
const source = `ceph-fuse:${encodeURIComponent(volumeId)}`;

function mountOf(wish: Partial<Mount> = {}): Mount {
  return {
    id: 9,
    parentId: 1,
    number: '0:40',
    root: '/',
    path: directory,
    options: ['rw'],
    fsType: 'fuse.ceph-fuse',
    source,
    superOptions: ['rw'],
    ...wish,
  };
}

function requestOf(wish: Partial<StageRequest> = {}): StageRequest {
  return {
    volumeId,
    stagingPath: directory,
    capability: { access: { type: 'mount', mountFlags: ['noatime'] }, mode: 'multi-node-multi-writer' },
    context: { subvolumePath: '/volumes/csi/csi-vol-pvc-1/0b7e', fuseMountOptions: 'debug' },
    publishContext: {},
    secrets: { userID: new Secret('node'), userKey: new Secret('key') },
    ...wish,
  };
}

/** A node where what is mounted changes with each look at it, as the list says. */
function createNode(script: readonly ScriptedCall[], looks: readonly (readonly Mount[])[]) {
  const fake = createFakeExec(script);
  const remaining = [...looks];
  const node = createCephfsNode({
    exec: fake.exec,
    clusters,
    mounter: 'fuse',
    mounters: [createFuseMounter('/dev/null')],
    readMounts: () => Promise.resolve((remaining.length > 1 ? remaining.shift() : remaining[0]) ?? []),
  });
  return { node, fake };
}

const mountCommand = (...options: readonly string[]) => [
  'ceph-fuse',
  '--log-file=',
  '--admin-socket=',
  '--client_mountpoint=/volumes/csi/csi-vol-pvc-1/0b7e',
  '--client_fs=fs',
  '--client-quota=true',
  '--fuse-default-permissions=true',
  '--fuse-set-user-groups=false',
  '--fuse-splice-read=false',
  '--fuse-splice-write=false',
  '--fuse-splice-move=false',
  '-o',
  [`fsname=${source}`, 'subtype=ceph-fuse', ...options].join(','),
  directory,
];
const probe = () => ['stat', '--file-system', directory];

it('mounts a volume by ceph-fuse, with the options of class and Pod', async () => {
  const { node, fake } = createNode([{ argv: mountCommand('debug', 'noatime') }], [[], [], [mountOf()]]);
  await node.stageVolume(requestOf(), createTestContext());
  fake.expectAllUsed();
});

it('mounts read-only for readers', async () => {
  const { node, fake } = createNode(
    [{ argv: mountCommand('debug', 'noatime', 'ro') }],
    [[], [], [mountOf()]],
  );
  const capability = { ...requestOf().capability, mode: 'multi-node-reader-only' } as const;
  await node.stageVolume(requestOf({ capability }), createTestContext());
  fake.expectAllUsed();
});

it('has the kernel read from the nearest replica', async () => {
  const path = '/volumes/csi/csi-vol-pvc-1/0b7e';
  const fake = createFakeExec([
    {
      argv: [
        ...['mount', '--no-canonicalize', '--types', 'ceph', '--options'],
        'name=node,mds_namespace=fs,read_from_replica=localize,crush_location=zone:a,noatime',
        ...['--options', 'secretfile=***'],
        /^.*:\/volumes/,
        directory,
      ],
    },
  ]);
  const looks = [[], [], [mountOf({ fsType: 'ceph', source: `10.0.0.1:6789:${path}` })]];
  const kernel = { ...createKernelMounter(fake.exec), findObstacle: () => Promise.resolve(undefined) };
  const node = createCephfsNode({
    exec: fake.exec,
    clusters,
    mounter: 'kernel',
    mounters: [kernel],
    readAffinity: () => Promise.resolve(['read_from_replica=localize', 'crush_location=zone:a']),
    readMounts: () => Promise.resolve(looks.shift() ?? []),
  });
  await node.stageVolume(requestOf(), createTestContext());
  fake.expectAllUsed();
});

it('leaves alone what is mounted already', async () => {
  const { node, fake } = createNode([{ argv: probe() }], [[mountOf()]]);
  await node.stageVolume(requestOf(), createTestContext());
  fake.expectAllUsed();
});

it('refuses a path where something else is mounted', async () => {
  const { node } = createNode([], [[mountOf({ source: '/dev/sda', fsType: 'ext4' })]]);
  await expect(node.stageVolume(requestOf(), createTestContext())).rejects.toMatchObject({
    kind: 'failed-precondition',
  });
});

it.each([
  ['handle_auth_bad_method server allowed_methods [2]; failed to fetch mon config', 'unauthenticated'],
  ['failed to fetch mon config (--no-mon-config to skip)', 'unavailable'],
  ['ceph-fuse[7]: ceph mount failed with (2) No such file or directory', 'not-found'],
  ['ceph-fuse[7]: ceph mount failed with (13) Permission denied', 'permission-denied'],
  ['fuse: unknown option `foo=bar`', 'internal'],
])('tells "%s" as %s', async (stderr, kind) => {
  const { node } = createNode(
    [{ argv: mountCommand('debug', 'noatime'), exitCode: 1, stderr }],
    [[], [], []],
  );
  await expect(node.stageVolume(requestOf(), createTestContext())).rejects.toMatchObject({ kind });
});

it('tells a dead client from a healthy one', async () => {
  const dead = `stat: cannot read file system information: Transport endpoint is not connected`;
  const { node } = createNode(
    [{ argv: probe(), exitCode: 1, stderr: dead }, { argv: probe() }],
    [[mountOf()]],
  );
  const staged = { volumeId, stagingPath: directory };
  await expect(node.checkVolume?.(staged, createTestContext())).resolves.toMatchObject({ abnormal: true });
  await expect(node.checkVolume?.(staged, createTestContext())).resolves.toBeUndefined();
});

it.each([
  [{ staticVolume: 'true', clusterID: 'c', fsName: 'fs' }, /rootPath is missing/],
  [{ staticVolume: 'true', clusterID: 'c', fsName: 'fs', rootPath: '/a/../b' }, /without "\.\."/],
  [{}, /subvolumePath is missing/],
  [{ subvolumePath: '/a', mounter: 'nfs' }, /auto, kernel, fuse/],
])('refuses the volume context %j', async (context, message) => {
  const { node } = createNode([], [[]]);
  await expect(node.stageVolume(requestOf({ context }), createTestContext())).rejects.toThrow(message);
});

describe('a view of a snapshot', () => {
  const snapshot = 'csi-snap-1';
  const base = '/volumes/csi/csi-vol-pvc-1';
  const capability = { ...requestOf().capability, mode: 'multi-node-reader-only' } as const;
  const viewOf = () => requestOf({ capability, context: { subvolumePath: base, snapshot } });
  const subvolume = () => mountOf({ options: ['ro'] });
  const view = () => mountOf({ id: 10, parentId: 9, options: ['ro'], root: `/.snap/${snapshot}/0b7e` });
  const find = () => ['find', join(directory, '.snap', snapshot), ...Array<RegExp>(11).fill(/./)];
  const bind = () => [
    ...['mount', '--no-canonicalize', '--bind'],
    ...[join(directory, '.snap', snapshot, '0b7e'), directory],
  ];
  const mountBase = () =>
    mountCommand('noatime', 'ro').map(argument =>
      argument.startsWith('--client_mountpoint=') ? `--client_mountpoint=${base}` : argument,
    );

  it('is the directory of the snapshot above its subvolume, which is mounted read-only', async () => {
    const script = [{ argv: mountBase() }, { argv: find(), stdout: '0b7e\n' }, { argv: bind() }];
    const { node, fake } = createNode(script, [[], [], [subvolume()]]);
    await node.stageVolume(viewOf(), createTestContext());
    fake.expectAllUsed();
  });

  it('is completed where only its subvolume is mounted', async () => {
    const script = [{ argv: probe() }, { argv: find(), stdout: '0b7e\n' }, { argv: bind() }];
    const { node, fake } = createNode(script, [[subvolume()]]);
    await node.stageVolume(viewOf(), createTestContext());
    fake.expectAllUsed();
  });

  it('is left alone where it is mounted already', async () => {
    const { node, fake } = createNode([{ argv: probe() }], [[subvolume(), view()]]);
    await node.stageVolume(viewOf(), createTestContext());
    fake.expectAllUsed();
  });

  it('of a snapshot that is gone leaves no mount', async () => {
    const gone = { argv: find(), exitCode: 1, stderr: 'find: No such file or directory' };
    const unmount = ['umount', '--no-canonicalize', '--internal-only', directory];
    const script = [{ argv: mountBase() }, gone, { argv: unmount }];
    const { node, fake } = createNode(script, [[], [], [subvolume()], [subvolume()], []]);
    await expect(node.stageVolume(viewOf(), createTestContext())).rejects.toMatchObject({
      kind: 'not-found',
    });
    fake.expectAllUsed();
  });

  it('is refused for writers, and under a name that leads elsewhere', async () => {
    const { node } = createNode([], [[]]);
    const writing = { ...viewOf(), capability: requestOf().capability };
    await expect(node.stageVolume(writing, createTestContext())).rejects.toThrow(/can only be read/);
    const away = { ...viewOf(), context: { subvolumePath: base, snapshot: '../x' } };
    await expect(node.stageVolume(away, createTestContext())).rejects.toThrow(/not the name of a snapshot/);
  });
});
