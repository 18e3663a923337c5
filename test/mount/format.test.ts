import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Exec } from '../../src/exec/command.ts';
import { DriverError } from '../../src/model/errors.ts';
import { probeDevice } from '../../src/mount/device-content.ts';
import { FILE_SYSTEM_TYPES } from '../../src/mount/file-system-type.ts';
import { ensureFileSystem, formatDevice } from '../../src/mount/format.ts';
import { createFakeExec, createTestContext } from '../exec/fake-exec.ts';
import { createMark, describeOnNode, run } from './node-lab.ts';

const MIB = 1024 * 1024;

function writeAt(path: string, offset: number, data: string | Buffer): void {
  const descriptor = openSync(path, 'r+');
  const bytes = Buffer.from(data);
  writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
}

describeOnNode('probing a device', lab => {
  it('finds a new one blank', async () => {
    const { host, createDevice } = lab();
    expect(await probeDevice({ device: createDevice(8).device }, host)).toEqual({ type: 'blank' });
  });

  it.each([
    ['begins', 4096],
    ['ends', 8 * MIB - 10],
  ])('does not find one blank that %s with a byte of anything', async (_, offset) => {
    const { host, createDevice } = lab();
    const { device } = createDevice(8);
    writeAt(device, offset, 'x');
    expect(await probeDevice({ device }, host)).toMatchObject({ type: 'other' });
  });

  it('names the file system with its UUID', async () => {
    const { host, createDevice } = lab();
    const { device } = createDevice(32);
    const uuid = '3f2a8c1e-5b64-4d0f-9a77-0c1d2e3f4a5b';
    run('mkfs.ext4', '-q', '-U', uuid, device);
    expect(await probeDevice({ device }, host)).toEqual({ type: 'file-system', fsType: 'ext4', uuid });
  });

  it('does not take swap space or a partition table for one', async () => {
    const { host, createDevice } = lab();
    const swap = createDevice(8).device;
    run('mkswap', swap);
    expect(await probeDevice({ device: swap }, host)).toMatchObject({ type: 'other', signature: 'swap' });
    const parted = createDevice(8).device;
    // The first sector with one Linux partition, from sector 1, 16 sectors long.
    const sector = Buffer.alloc(512);
    sector.set([0x83, 0, 0, 0, 1, 0, 0, 0, 16], 446 + 4);
    sector.set([0x55, 0xaa], 510);
    writeAt(parted, 0, sector);
    expect(await probeDevice({ device: parted }, host)).toEqual({
      type: 'other',
      description: 'a partition table (dos)',
    });
  });

  it('does not find a device that is gone', async () => {
    const { host, directory } = lab();
    await expect(probeDevice({ device: join(directory, 'none') }, host)).rejects.toMatchObject({
      kind: 'not-found',
    });
  });
});

describe('formatting', () => {
  it.each([
    ['ext4', ['-m0', '-Enodiscard,lazy_itable_init=1,lazy_journal_init=1']],
    ['xfs', ['-K']],
    ['btrfs', ['-K']],
  ] as const)(
    '%s has options that keep a new image sparse, and is not interrupted',
    async (fsType, options) => {
      const fake = createFakeExec([{ argv: [`mkfs.${fsType}`, ...options, '/dev/rbd0'] }]);
      await formatDevice({ device: '/dev/rbd0', fsType }, { exec: fake.exec, context: createTestContext() });
      expect(fake.commands[0]?.uninterruptible).toBe(true);
      fake.expectAllUsed();
    },
  );

  it('takes other options instead, and passes on what mkfs says of them', async () => {
    const fake = createFakeExec([
      { argv: ['mkfs.ext4', '-q', '-i1', '/dev/rbd0'], exitCode: 1, stderr: 'invalid inode ratio 1' },
    ]);
    await expect(
      formatDevice(
        { device: '/dev/rbd0', fsType: 'ext4', mkfsOptions: ['-q', '-i1'] },
        { exec: fake.exec, context: createTestContext() },
      ),
    ).rejects.toThrow('/dev/rbd0: mkfs.ext4 exited 1: invalid inode ratio 1 (options: -q -i1)');
  });
});

describeOnNode('a file system', lab => {
  it.each(FILE_SYSTEM_TYPES)('%s is made on a blank device, once', async fsType => {
    const { host, createDevice } = lab();
    const { device } = createDevice(320);
    const mark = createMark();
    const request = { device, fsType, readOnly: false, mark };
    expect(await ensureFileSystem(request, host)).toBe(true);
    expect(mark.isSetNow()).toBe(false);
    const first = await probeDevice({ device }, host);
    expect(first).toMatchObject({ type: 'file-system', fsType });
    expect(await ensureFileSystem(request, host)).toBe(false);
    expect(await probeDevice({ device }, host)).toEqual(first);
  });

  it('is not made over another, nor over unknown data, nor for a reader', async () => {
    const { host, createDevice } = lab();
    const [xfs, unknown, blank] = [createDevice(320), createDevice(8), createDevice(8)];
    run('mkfs.xfs', '-q', xfs.device);
    writeAt(unknown.device, 0, 'a database');
    const ensure = (device: string, readOnly = false) =>
      ensureFileSystem({ device, fsType: 'ext4', readOnly, mark: createMark() }, host);
    await expect(ensure(xfs.device)).rejects.toThrow('holds a xfs file system');
    await expect(ensure(unknown.device)).rejects.toThrow('never formatted');
    await expect(ensure(blank.device, true)).rejects.toThrow('read-only');
    expect(readFileSync(blank.file).every(byte => byte === 0)).toBe(true);
    expect(readFileSync(unknown.file).toString('latin1', 0, 10)).toBe('a database');
  });

  it('whose format was interrupted is made again, whatever blkid sees', async () => {
    const { host, createDevice } = lab();
    for (const fsType of FILE_SYSTEM_TYPES) {
      const { device } = createDevice(320);
      run('mkfs.btrfs', '-q', device);
      const mark = createMark(true);
      await expect(ensureFileSystem({ device, fsType, readOnly: true, mark }, host)).rejects.toThrow(
        'interrupted format',
      );
      expect(await ensureFileSystem({ device, fsType, readOnly: false, mark }, host)).toBe(true);
      expect(mark.isSetNow()).toBe(false);
      expect(await probeDevice({ device }, host)).toMatchObject({ type: 'file-system', fsType });
    }
  });

  it('is complete after mkfs was killed at any moment and the call repeated', async () => {
    const { host, createDevice, directory } = lab();
    const path = join(directory, 'mounted');
    mkdirSync(path);
    const full = ['-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'];
    for (const delay of [0, 1, 2, 4, 8, 16, 32]) {
      const { device } = createDevice(64);
      const mark = createMark();
      const request = { device, fsType: 'ext4', mkfsOptions: full, readOnly: false, mark } as const;
      const killing: Exec = (command, context) =>
        command.program.startsWith('mkfs')
          ? killAfter(delay, command.program, command.args.map(String))
          : host.exec(command, context);
      await ensureFileSystem(request, { ...host, exec: killing }).catch((error: unknown) => {
        expect(error).toMatchObject({ message: 'killed' });
        expect(mark.isSetNow()).toBe(true);
      });
      await ensureFileSystem(request, host);
      expect(mark.isSetNow()).toBe(false);
      run('e2fsck', '-f', '-n', device);
      run('mount', device, path);
      writeFileSync(join(path, 'file'), 'content');
      run('umount', path);
    }
  });

  it('is finished, and its mark cleared, for a caller who leaves meanwhile', async () => {
    const { host, createDevice } = lab();
    const { device } = createDevice(32);
    const caller = new AbortController();
    const mark = createMark();
    const leaving: Exec = (command, context) => {
      if (command.program === 'mkfs.ext4') caller.abort();
      return host.exec(command, context);
    };
    const clear = (context: { readonly signal: AbortSignal }) => {
      expect(context.signal.aborted).toBe(false);
      return mark.clear(createTestContext());
    };
    await ensureFileSystem(
      { device, fsType: 'ext4', readOnly: false, mark: { ...mark, clear } },
      { exec: leaving, context: createTestContext({ signal: caller.signal }) },
    );
    expect(mark.isSetNow()).toBe(false);
  });
});

/** Runs a program and kills it after some milliseconds, unless it is quicker. */
async function killAfter(delay: number, program: string, args: readonly string[]) {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = execFile(program, args, error => resolve(error === null));
  setTimeout(() => child.kill('SIGKILL'), delay);
  if (await promise) return { exitCode: 0, stdout: '', stderr: '' };
  throw new DriverError('internal', 'killed');
}
