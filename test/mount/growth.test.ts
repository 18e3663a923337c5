import { closeSync, mkdirSync, openSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFileSystem } from '../../src/mount/check.ts';
import { growFileSystem } from '../../src/mount/growth.ts';
import { createFakeExec, createTestContext } from '../exec/fake-exec.ts';
import { describeOnNode, run } from './node-lab.ts';

const MIB = 1024 * 1024;

/** A file system with a file in it: as after its first use. */
function useOnce(device: string, path: string): void {
  mkdirSync(path, { recursive: true });
  run('mount', device, path);
  writeFileSync(join(path, 'file'), 'content');
  run('umount', path);
}

function sizeOf(path: string): number {
  const { blocks, bsize } = statfsSync(path);
  return blocks * bsize;
}

describeOnNode('growing', lab => {
  it('an unmounted ext4 makes it as large as its device, and is repeatable', async () => {
    const { host, directory, ...node } = lab();
    const disk = node.createDevice(32);
    run('mkfs.ext4', '-q', disk.device);
    const path = join(directory, 'path');
    useOnce(disk.device, path);
    node.enlarge(disk, 96);
    for (let round = 0; round < 2; round += 1) {
      await growFileSystem({ device: disk.device, fsType: 'ext4' }, host);
    }
    run('mount', disk.device, path);
    expect(sizeOf(path)).toBeGreaterThan(80 * MIB);
  });

  it.each(['xfs', 'btrfs'] as const)('a mounted %s does too; unmounted it waits', async fsType => {
    const { host, directory, ...node } = lab();
    const disk = node.createDevice(320);
    run(`mkfs.${fsType}`, '-q', disk.device);
    const path = join(directory, 'a path');
    useOnce(disk.device, path);
    node.enlarge(disk, 512);
    await growFileSystem({ device: disk.device, fsType }, host);
    run('mount', disk.device, path);
    expect(sizeOf(path)).toBeLessThan(321 * MIB);
    for (let round = 0; round < 2; round += 1) {
      await growFileSystem({ device: disk.device, fsType, path }, host);
    }
    expect(sizeOf(path)).toBeGreaterThan(400 * MIB);
  });

  it('an ext4 that has its size already starts nothing that writes', async () => {
    const { host, ...node } = lab();
    const { device } = node.createDevice(32);
    run('mkfs.ext4', '-q', device);
    const programs: string[] = [];
    const watching = {
      ...host,
      exec: ((command, context) => {
        programs.push(command.program);
        return host.exec(command, context);
      }) satisfies typeof host.exec,
    };
    await growFileSystem({ device, fsType: 'ext4', path: '/not/looked/at' }, watching);
    expect(programs).toEqual(['dumpe2fs']);
  });

  it('a mounted ext4 without the privilege says which one', async () => {
    const { host, ...node } = lab();
    const disk = node.createDevice(32);
    run('mkfs.ext4', '-q', disk.device);
    const sizes = run('dumpe2fs', '-h', disk.device);
    node.enlarge(disk, 64);
    const fake = createFakeExec([
      { argv: ['dumpe2fs', '-h', disk.device], stdout: sizes },
      {
        argv: ['resize2fs', disk.device],
        exitCode: 1,
        stderr: 'resize2fs: Permission denied to resize filesystem\n',
      },
    ]);
    await expect(
      growFileSystem({ device: disk.device, fsType: 'ext4', path: '/mounted' }, { ...host, exec: fake.exec }),
    ).rejects.toMatchObject({
      kind: 'permission-denied',
      message: expect.stringContaining('CAP_SYS_RESOURCE') as string,
    });
    expect(fake.commands[1]?.uninterruptible).toBe(true);
    fake.expectAllUsed();
  });
});

describe('checking', () => {
  const check = (exitCode: number) => {
    const { exec } = createFakeExec([{ argv: ['e2fsck', '-p', '/dev/rbd0'], exitCode, stderr: 'words' }]);
    return checkFileSystem({ device: '/dev/rbd0', fsType: 'ext4' }, { exec, context: createTestContext() });
  };

  it('accepts what is clean or was corrected', async () => {
    for (const exitCode of [0, 1, 2, 3]) await check(exitCode);
  });

  it('sends a person to errors that are left, and reports a failed check as one', async () => {
    await expect(check(4)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(check(12)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(check(8)).rejects.toMatchObject({
      kind: 'internal',
      message: expect.stringContaining('words') as string,
    });
  });

  it('leaves xfs and btrfs to their logs', async () => {
    const { exec } = createFakeExec([]);
    for (const fsType of ['xfs', 'btrfs'] as const) {
      await checkFileSystem({ device: '/dev/rbd0', fsType }, { exec, context: createTestContext() });
    }
  });
});

describeOnNode('checking a damaged ext4', lab => {
  it('refuses it', async () => {
    const { host, createDevice } = lab();
    const { device } = createDevice(32);
    run('mkfs.ext4', '-q', '-b', '4096', device);
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', device))?.[1]);
    const descriptor = openSync(device, 'r+');
    writeSync(descriptor, Buffer.alloc(4096, 0xff), 0, 4096, table * 4096);
    closeSync(descriptor);
    await expect(checkFileSystem({ device, fsType: 'ext4', full: true }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(device) as string,
    });
  });
});
