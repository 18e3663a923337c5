import { mkdirSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDevice, readDeviceSize } from '../../src/mount/block-device.ts';
import {
  detachLoopDevices,
  ensureLoopDevice,
  findLoopDevices,
  refreshLoopDevice,
} from '../../src/mount/loop-device.ts';
import { createFakeExec, createTestContext, type FakeExec } from '../exec/fake-exec.ts';
import { describeOnNode, run } from './node-lab.ts';

const MIB = 1024 * 1024;

describeOnNode('a loop device', lab => {
  function createFile(mebibytes = 8): string {
    const file = join(lab().directory, `an "image" (deleted)`);
    writeFileSync(file, '');
    truncateSync(file, mebibytes * MIB);
    return file;
  }

  it('is attached once, however often it is asked for', async () => {
    const { host } = lab();
    const file = createFile();
    const first = await ensureLoopDevice({ file, readOnly: false, directIo: false }, host);
    const second = await ensureLoopDevice({ file, readOnly: false, directIo: false }, host);
    expect(second).toEqual(first);
    expect(first).toMatchObject({ readOnly: false, offset: 0n, sizeLimit: 0n, detaching: false });
    expect(await readDevice(first.path)).toEqual({ path: first.path, number: first.number });
  });

  it('can be read-only, and is then refused to a writer', async () => {
    const { host } = lab();
    const file = createFile();
    const { path } = await ensureLoopDevice({ file, readOnly: true, directIo: false }, host);
    expect(run('blockdev', '--getro', path).trim()).toBe('1');
    await expect(ensureLoopDevice({ file, readOnly: false, directIo: false }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
  });

  it('follows the size of its file when told to', async () => {
    const { host } = lab();
    const file = createFile(8);
    const device = await ensureLoopDevice({ file, readOnly: false, directIo: false }, host);
    truncateSync(file, 16 * MIB);
    expect(await readDeviceSize(device)).toBe(BigInt(8 * MIB));
    await refreshLoopDevice({ device: device.path }, host);
    expect(await readDeviceSize(device)).toBe(BigInt(16 * MIB));
  });

  it('is detached, also when its file is gone, and also again', async () => {
    const { host, directory } = lab();
    const file = join(directory, 'image');
    writeFileSync(file, Buffer.alloc(MIB));
    await ensureLoopDevice({ file, readOnly: false, directIo: false }, host);
    unlinkSync(file);
    expect(await findLoopDevices({ file })).toMatchObject([{ backingFile: `${file} (deleted)` }]);
    for (let round = 0; round < 2; round += 1) await detachLoopDevices({ file }, host);
    expect(await findLoopDevices({ file })).toEqual([]);
  });

  it('that is mounted is left attached, naming where', async () => {
    const { host, directory } = lab();
    const file = createFile(32);
    const { path } = await ensureLoopDevice({ file, readOnly: false, directIo: false }, host);
    run('mkfs.ext4', '-q', path);
    mkdirSync(join(directory, 'mounted'));
    run('mount', path, join(directory, 'mounted'));
    await expect(detachLoopDevices({ file }, host)).rejects.toThrow(join(directory, 'mounted'));
    expect(await findLoopDevices({ file })).toMatchObject([{ path, detaching: false }]);
  });

  it('of several files at once is one for each', async () => {
    const { host, directory } = lab();
    const files = ['a', 'b', 'c', 'd'].map(name => join(directory, name));
    for (const file of files) writeFileSync(file, Buffer.alloc(MIB));
    const devices = await Promise.all(
      files.map(file => ensureLoopDevice({ file, readOnly: false, directIo: false }, host)),
    );
    expect(new Set(devices.map(device => device.path)).size).toBe(files.length);
    expect(devices.map(device => device.backingFile)).toEqual(files);
  });

  it('over a missing file is an error that names it', async () => {
    const { host, directory } = lab();
    const file = join(directory, 'missing');
    await expect(ensureLoopDevice({ file, readOnly: false, directIo: false }, host)).rejects.toThrow(file);
  });
});

describe('attaching a loop device', () => {
  const file = '/no/such/image';
  const argv = ['losetup', '--find', '--show', '--read-only', '--direct-io=on', file];
  const busy = {
    argv,
    exitCode: 1,
    stderr: 'losetup: failed to set up loop device: Device or resource busy',
  };
  const attach = (fake: FakeExec) =>
    ensureLoopDevice(
      { file, readOnly: true, directIo: true },
      { exec: fake.exec, context: createTestContext() },
    );

  it('tries again when somebody else was quicker', async () => {
    const fake = createFakeExec([busy, busy, { argv, exitCode: 1, stderr: 'losetup: another reason' }]);
    await expect(attach(fake)).rejects.toMatchObject({
      kind: 'internal',
      message: `${file}: losetup exited 1: losetup: another reason`,
    });
    fake.expectAllUsed();
  });

  it('gives up when somebody else always is', async () => {
    const fake = createFakeExec([busy, busy, busy, busy, busy]);
    await expect(attach(fake)).rejects.toMatchObject({ kind: 'resource-exhausted' });
    fake.expectAllUsed();
  });
});
