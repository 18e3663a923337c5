import { readFileSync } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockDevicePath } from '../../../src/mount/mount-point.ts';
import { mountAt, readMounts } from '../../../src/mount/mountinfo.ts';
import { clients } from '../harness/clients.ts';
import { cluster, rbd } from '../harness/cluster.ts';
import { context, countWatchers, nodeSecrets, otherPath, run, useNode } from './fixture.ts';

const node = useNode();

async function totalBytes(path: string): Promise<number> {
  const output = await run('stat', '--file-system', '--format=%S %b', path);
  const [block = 0, blocks = 0] = output.split(' ').map(Number);
  return block * blocks;
}

const MIB = 1024 * 1024;

/** The kernel lets a mounted ext4 grow only for those who may use its reserved blocks, which containers often may not. */
const CAP_SYS_RESOURCE = 1n << 24n;
const status = readFileSync('/proc/self/status', 'utf8');
const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
const onlineGrowth =
  (capabilities & CAP_SYS_RESOURCE) === 0n ? (['xfs'] as const) : (['ext4', 'xfs', 'btrfs'] as const);

describe('a file-system volume', () => {
  it.each(['ext4', 'xfs', 'btrfs'] as const)('of %s keeps its data, and grows when staged', async type => {
    const volume = await node.createVolume('400M');
    await node.start().stageVolume(volume.stage({ type }), context());
    expect(await countWatchers(volume.image)).toBe(1);
    await node.start().stageVolume(volume.stage({ type }), context());
    const file = join(volume.stagingPath, 'file');
    await writeFile(file, 'kept');
    expect(await node.start().checkVolume?.(volume.unstage, context())).toBeUndefined();
    const before = await totalBytes(volume.stagingPath);
    await node.start().unstageVolume(volume.unstage, context());
    await expect(access(file)).rejects.toThrow();
    expect(await countWatchers(volume.image)).toBe(0);
    await node.start().unstageVolume(volume.unstage, context());

    await rbd('resize', '--size', '600M', '--no-progress', `rbd/${volume.image}`);
    await node.start().stageVolume(volume.stage({ type }), context());
    expect(await readFile(file, 'utf8')).toBe('kept');
    expect((await totalBytes(volume.stagingPath)) - before).toBeGreaterThan(150 * MIB);
    await node.start().unstageVolume(volume.unstage, context());
  });

  // krbd discards in pieces that end within objects: space is given back, but every object stays, and counts.
  it.skipIf(clients.mapper === 'krbd')('gives deleted data back to the cluster', async () => {
    const volume = await node.createVolume('400M');
    await node.start().stageVolume(volume.stage(), context());
    const used = async () => {
      const usage = await rbd('du', `rbd/${volume.image}`, '--format', 'json');
      return (JSON.parse(usage) as { images: { used_size: number }[] }).images[0]?.used_size ?? 0;
    };
    const file = join(volume.stagingPath, 'file');
    await run('dd', 'if=/dev/urandom', `of=${file}`, 'bs=1M', 'count=100', 'conv=fsync');
    const full = await used();
    await run('rm', file);
    await run('sync', '--file-system', volume.stagingPath);
    await run('fstrim', volume.stagingPath);
    expect(full - (await used())).toBeGreaterThan(50 * MIB);
    await node.start().unstageVolume(volume.unstage, context());
  });

  it.each(onlineGrowth)('of %s grows while it is mounted, with and without secrets', async type => {
    const volume = await node.createVolume('400M');
    const backend = node.start();
    await backend.stageVolume(volume.stage({ type }), context());
    const target = join(node.directory, `published-${type}`);
    await mkdir(target);
    await run('mount', '--bind', volume.stagingPath, target);
    const request = { volumeId: volume.volumeId, volumePath: target, stagingPath: volume.stagingPath };
    for (const [size, secrets] of [
      [500, {}],
      [600, nodeSecrets],
    ] as const) {
      await rbd('resize', '--size', `${size}M`, '--no-progress', `rbd/${volume.image}`);
      const bytes = await backend.expandVolume?.({ ...request, secrets }, context());
      expect(bytes).toBe(BigInt(size * MIB));
      expect(await totalBytes(target)).toBeGreaterThan((size - 80) * MIB);
    }
    await expect(node.start().unstageVolume(volume.unstage, context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(target) as unknown,
    });
    await run('umount', target);
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('is not found by an expansion when it is not staged', async () => {
    const volume = await node.createVolume('400M');
    const request = { volumeId: volume.volumeId, volumePath: volume.stagingPath, secrets: {} };
    await expect(node.start().expandVolume?.(request, context())).rejects.toMatchObject({
      kind: 'not-found',
    });
  });

  it('that does not exist is not found', async () => {
    const volume = node.volumeOf('never-made');
    await expect(node.start().stageVolume(volume.stage(), context())).rejects.toMatchObject({
      kind: 'not-found',
    });
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('of an administrator needs no handle of this driver', async () => {
    const { image, stagingPath, ...volume } = await node.createVolume('400M');
    const staticVolume = {
      staticVolume: 'true',
      clusterID: cluster.clusterId,
      pool: 'rbd',
      imageName: image,
    };
    const request = volume.stage({ context: staticVolume });
    await node.start().stageVolume({ ...request, volumeId: 'by-hand' }, context());
    await writeFile(join(stagingPath, 'file'), 'kept');
    await node.start().unstageVolume({ volumeId: 'by-hand', stagingPath }, context());
    expect(await countWatchers(image)).toBe(0);
  });
});

describe('a raw block volume', () => {
  it('is a device node below the staging path, and grows', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage({ type: 'block' }), context());
    const device = blockDevicePath(volume.stagingPath);
    await run('dd', 'if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=4', 'oflag=direct');
    const before = await run('sha256sum', device);
    await node.start().unstageVolume(volume.unstage, context());
    await expect(access(device)).rejects.toThrow();
    await node.start().stageVolume(volume.stage({ type: 'block' }), context());
    expect(await run('sha256sum', device)).toBe(before);

    await rbd('resize', '--size', '96M', '--no-progress', `rbd/${volume.image}`);
    const request = { volumeId: volume.volumeId, volumePath: volume.stagingPath, secrets: nodeSecrets };
    expect(await node.start().expandVolume?.(request, context())).toBe(BigInt(96 * MIB));
    expect((await run('blockdev', '--getsize64', device)).trim()).toBe(String(96 * MIB));
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('can be written from several nodes when it is asked for so', async () => {
    const volume = await node.createVolume('64M');
    const wish = { type: 'block', mode: 'multi-node-multi-writer' } as const;
    const [here, there] = [
      volume.stage(wish),
      { ...volume.stage(wish), stagingPath: otherPath(volume.stagingPath) },
    ];
    await node.start().stageVolume(here, context());
    await node.start({ other: true }).stageVolume(there, context());
    expect(await countWatchers(volume.image)).toBe(2);
    // Each write takes the lock over from the other client.
    const [first, second] = [here, there].map(({ stagingPath }) => blockDevicePath(stagingPath));
    for (const [piece, device] of [first, second, first].entries()) {
      const to = [`of=${device ?? ''}`, `seek=${piece}`];
      await run('dd', 'if=/dev/urandom', ...to, 'bs=1M', 'count=1', 'oflag=direct');
    }
    const sums = [first, second].map(device =>
      run('sh', '-c', 'dd "if=$1" bs=1M count=3 iflag=direct | sha256sum', 'sh', device ?? ''),
    );
    expect(new Set(await Promise.all(sums)).size).toBe(1);
    await node
      .start({ other: true })
      .unstageVolume({ ...volume.unstage, stagingPath: there.stagingPath }, context());
    await node.start().unstageVolume(volume.unstage, context());
  });
});

describe('a volume for readers', () => {
  it('is mounted from a device that nobody can write to, on several nodes', async () => {
    const volume = await node.createVolume('400M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await node.start().unstageVolume(volume.unstage, context());

    const here = volume.stage({ mode: 'multi-node-reader-only' });
    const there = { ...here, stagingPath: otherPath(volume.stagingPath) };
    await node.start().stageVolume(here, context());
    await node.start({ other: true }).stageVolume(there, context());
    for (const { stagingPath } of [here, there]) {
      expect(await readFile(join(stagingPath, 'file'), 'utf8')).toBe('kept');
      await expect(writeFile(join(stagingPath, 'new'), '')).rejects.toThrow(/EROFS/);
    }
    await expect(node.start().stageVolume(volume.stage(), context())).rejects.toMatchObject({
      kind: 'already-exists',
    });
    await node
      .start({ other: true })
      .unstageVolume({ ...volume.unstage, stagingPath: there.stagingPath }, context());
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('is mounted without its log when that was never replayed', async () => {
    const volume = await node.createVolume('400M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await run('sync', '--file-system', volume.stagingPath);
    await rbd('snap', 'create', '--no-progress', `rbd/${volume.image}@crash`);
    await node.start().unstageVolume(volume.unstage, context());
    await rbd('snap', 'rollback', '--no-progress', `rbd/${volume.image}@crash`);
    await rbd('snap', 'rm', '--no-progress', `rbd/${volume.image}@crash`);
    const request = volume.stage({ mode: 'single-node-reader-only' });
    await node.start().stageVolume(request, context());
    expect(mountAt(await readMounts(), volume.stagingPath)?.superOptions).toContain('norecovery');
    expect(await readFile(join(volume.stagingPath, 'file'), 'utf8')).toBe('kept');
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('is refused while it is blank, and nothing of it stays', async () => {
    const volume = await node.createVolume('64M');
    const request = volume.stage({ mode: 'single-node-reader-only' });
    await expect(node.start().stageVolume(request, context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('blank') as unknown,
    });
    await node.waitUntilClosed(volume.image);
  });
});

describe('the data of a volume', () => {
  it('is never formatted away', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage({ type: 'block' }), context());
    await run('dd', 'if=/dev/urandom', `of=${blockDevicePath(volume.stagingPath)}`, 'bs=1M', 'count=1');
    await node.start().unstageVolume(volume.unstage, context());
    await expect(node.start().stageVolume(volume.stage(), context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('never formatted') as unknown,
    });
    await node.waitUntilClosed(volume.image);
  });

  it('is made anew when its format was interrupted', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage({ type: 'block' }), context());
    const device = blockDevicePath(volume.stagingPath);
    await run('mkfs.ext4', '-q', device);
    await run('dd', 'if=/dev/zero', `of=${device}`, 'bs=4k', 'seek=1', 'count=100');
    await node.start().unstageVolume(volume.unstage, context());
    await rbd('image-meta', 'set', `rbd/${volume.image}`, 'csi-driver-ceph.formatting', 'true');
    await node.start().stageVolume(volume.stage(), context());
    expect(await rbd('image-meta', 'list', `rbd/${volume.image}`)).not.toContain('formatting');
    await writeFile(join(volume.stagingPath, 'file'), 'written');
    await node.start().unstageVolume(volume.unstage, context());
  });
});
