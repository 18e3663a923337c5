import { existsSync } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Exec } from '../../../src/exec/command.ts';
import { createExec } from '../../../src/exec/run.ts';
import { Secret } from '../../../src/model/secret.ts';
import { blockDevicePath } from '../../../src/mount/mount-point.ts';
import { mountAt, readMounts } from '../../../src/mount/mountinfo.ts';
import { rbd } from '../harness/cluster.ts';
import { context, nodeSecrets, run, useNode, type StageWish, type TestVolume } from './fixture.ts';

const node = useNode();
const PASSPHRASE = 'correct horse battery staple\n';
const MIB = 1024 * 1024;
/** LUKS2's own. */
const HEADER = 16 * MIB;

function stageOf(volume: TestVolume, wish: StageWish = {}, passphrase = PASSPHRASE) {
  return {
    ...volume.stage({ ...wish, context: { encrypted: 'true', ...wish.context } }),
    secrets: { ...nodeSecrets, encryptionPassphrase: new Secret(passphrase) },
  };
}

/** What is mounted, or bind-mounted, of the volume. */
async function sizeOf(path: string): Promise<number> {
  return Number(await run('blockdev', '--getsize64', path));
}

async function dataDeviceOf({ stagingPath }: TestVolume): Promise<string> {
  return mountAt(await readMounts(), stagingPath)?.source ?? 'nothing is mounted';
}

/** The image as it is in Ceph. */
async function readImage(image: string): Promise<Buffer> {
  const path = join(node.directory, `${image}-exported`);
  await rbd('export', '--no-progress', `rbd/${image}`, path);
  const content = await readFile(path);
  await run('rm', path);
  return content;
}

/** Like a driver that is killed before it runs the program with that argument: it runs none after it, not even to undo. */
function createMortalExec(program: string, action: string): Exec {
  const exec = createExec();
  let isDead = false;
  return async (command, callContext) => {
    isDead ||= command.program === program && command.args.includes(action);
    if (isDead) throw new Error('the driver was killed');
    return await exec(command, callContext);
  };
}

const canEncrypt = existsSync('/sys/class/misc/device-mapper');
if (!canEncrypt)
  process.stdout.write('not run: encryption; this kernel has no dm-crypt, those of npm run guest do\n');

describe.runIf(!canEncrypt)('an encrypted volume, where the kernel cannot decrypt', () => {
  it('is refused saying so, and nothing is written or left', async () => {
    const volume = await node.createVolume('64M');
    await expect(node.start().stageVolume(stageOf(volume), context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/^encrypted: this node cannot encrypt volumes: .*dm-crypt/) as unknown,
    });
    expect((await readImage(volume.image)).every(byte => byte === 0)).toBe(true);
  });
});

describe.runIf(canEncrypt)('an encrypted volume', () => {
  it('is written to Ceph as what nobody can read, and comes back with its passphrase alone', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(stageOf(volume), context());
    await node.start().stageVolume(stageOf(volume), context());
    const text = 'nobody but the owner reads this';
    await writeFile(join(volume.stagingPath, 'file'), text, { flush: true });
    expect(await run('blkid', '--probe', await dataDeviceOf(volume))).toContain('TYPE="ext4"');
    await node.start().unstageVolume(volume.unstage, context());

    const image = await readImage(volume.image);
    expect(image.includes('LUKS')).toBe(true);
    expect(image.includes(text)).toBe(false);
    expect(image.includes(PASSPHRASE.trim())).toBe(false);

    await expect(
      node.start().stageVolume(stageOf(volume, {}, PASSPHRASE.trim()), context()),
    ).rejects.toMatchObject({
      kind: 'unauthenticated',
      message: expect.stringContaining('encryptionPassphrase') as unknown,
    });
    await node.start().stageVolume(stageOf(volume), context());
    expect(await readFile(join(volume.stagingPath, 'file'), 'utf8')).toBe(text);
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('is neither opened nor formatted by a class that does not say that it is encrypted', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(stageOf(volume, { type: 'block' }), context());
    await node.start().unstageVolume(volume.unstage, context());
    for (const type of ['ext4', 'block'] as const) {
      await expect(node.start().stageVolume(volume.stage({ type }), context())).rejects.toMatchObject({
        kind: 'failed-precondition',
        message: expect.stringContaining('an encrypted volume of this driver') as unknown,
      });
    }
  });

  it('is not made of one with data', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await node.start().unstageVolume(volume.unstage, context());
    await expect(node.start().stageVolume(stageOf(volume), context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('ext4 file system') as unknown,
    });
    await node.start().stageVolume(volume.stage(), context());
    expect(await readFile(join(volume.stagingPath, 'file'), 'utf8')).toBe('kept');
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('grows while it is mounted, without a passphrase', async () => {
    const volume = await node.createVolume('64M');
    const backend = node.start();
    await backend.stageVolume(stageOf(volume), context());
    await rbd('resize', '--size', '96M', '--no-progress', `rbd/${volume.image}`);
    const { volumeId, stagingPath } = volume;
    const request = { volumeId, stagingPath, volumePath: stagingPath, secrets: nodeSecrets };
    expect(await backend.expandVolume?.(request, context())).toBe(BigInt(96 * MIB));
    expect(await sizeOf(await dataDeviceOf(volume))).toBe(96 * MIB - HEADER);
    await backend.unstageVolume(volume.unstage, context());
  });

  it('is copied with its passphrase', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(stageOf(volume), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept', { flush: true });
    await node.start().unstageVolume(volume.unstage, context());
    const copy = node.volumeOf(`${volume.image}-copy`);
    await rbd('cp', '--no-progress', `rbd/${volume.image}`, `rbd/${copy.image}`);
    await mkdir(copy.stagingPath);
    await node.start().stageVolume(stageOf(volume), context());
    await node.start().stageVolume(stageOf(copy), context());
    expect(await readFile(join(copy.stagingPath, 'file'), 'utf8')).toBe('kept');
    await node.start().unstageVolume(copy.unstage, context());
    await node.start().unstageVolume(volume.unstage, context());
    await rbd('rm', '--no-progress', `rbd/${copy.image}`);
  });

  it('can be a raw block volume, for readers too', async () => {
    const volume = await node.createVolume('64M');
    const device = blockDevicePath(volume.stagingPath);
    await node.start().stageVolume(stageOf(volume, { type: 'block' }), context());
    expect(await sizeOf(device)).toBe(64 * MIB - HEADER);
    await run('dd', 'if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=4', 'conv=fsync');
    const written = await run('sha256sum', device);
    await node.start().unstageVolume(volume.unstage, context());
    await expect(access(device)).rejects.toThrow();
    const readers = { type: 'block', mode: 'multi-node-reader-only' } as const;
    await node.start().stageVolume(stageOf(volume, readers), context());
    expect(await run('sha256sum', device)).toBe(written);
    await expect(run('dd', 'if=/dev/zero', `of=${device}`, 'bs=4k', 'count=1')).rejects.toThrow();
    await node.start().unstageVolume(volume.unstage, context());
  });

  it.each([
    ['before it is encrypted', 'cryptsetup', 'luksFormat'],
    ['before it is opened', 'cryptsetup', 'open'],
    ['before it is seen as blank', 'dd', 'if=/dev/zero'],
    ['before it has a file system', 'mkfs.ext4', '-m0'],
  ])('is completed when the driver was killed %s', async (_, program, action) => {
    const volume = await node.createVolume('64M');
    const mortal = node.start({ exec: createMortalExec(program, action) });
    await expect(mortal.stageVolume(stageOf(volume), context())).rejects.toThrow('killed');
    await node.start().stageVolume(stageOf(volume), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await expect(
      node.start({ exec: createMortalExec('cryptsetup', 'close') }).unstageVolume(volume.unstage, context()),
    ).rejects.toThrow('killed');
    await node.start().unstageVolume(volume.unstage, context());
    expect(await rbd('image-meta', 'list', `rbd/${volume.image}`)).not.toMatch(/formatting|encrypting/);
  });
});
