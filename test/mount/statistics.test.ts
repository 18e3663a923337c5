import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CommandResult, Exec } from '../../src/exec/command.ts';
import { parseMounts } from '../../src/mount/mountinfo.ts';
import { createStatisticsReader } from '../../src/mount/statistics.ts';
import { createFakeExec, createTestContext } from '../exec/fake-exec.ts';
import { startFuseFile } from './fuse-file.ts';
import { describeOnNode, run } from './node-lab.ts';

const MIB = 1024 * 1024;
const PATH = '/volume';

function mounted(options = 'rw', superOptions = 'rw') {
  const line = `40 1 0:50 / ${PATH} ${options} - fuse.ceph-fuse ceph-fuse ${superOptions}\n`;
  return () => Promise.resolve(parseMounts(line));
}

function read(result: Partial<CommandResult>, readMounts = mounted()) {
  const argv = ['stat', '--file-system', '--format=%S %b %f %a %c %d', PATH];
  const { exec } = createFakeExec([{ argv, ...result }]);
  return createStatisticsReader({ exec, readMounts })({ path: PATH }, createTestContext());
}

describe('statistics of a file system', () => {
  it('are bytes and inodes, used, available and in all', async () => {
    expect(await read({ stdout: '4096 1000 400 300 50 20\n' })).toEqual({
      type: 'file-system',
      bytes: { total: 4096000n, used: 2457600n, available: 1228800n },
      inodes: { total: 50n, used: 30n, available: 20n },
    });
  });

  it.each([
    ['btrfs, which counts none', '0 0'],
    ['CephFS by the kernel, which has no limit', '7 18446744073709551615'],
    ['CephFS by ceph-fuse, which has no limit', '2 -1'],
  ])('have no inodes for %s', async (_, inodes) => {
    expect(await read({ stdout: `4096 1000 400 300 ${inodes}\n` })).not.toHaveProperty('inodes');
  });

  it('are an error where nothing is mounted', async () => {
    await expect(read({}, () => Promise.resolve([]))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('tell of a file system that does not answer rightly', async () => {
    const stderr = `stat: cannot read file system information for '${PATH}': Input/output error`;
    expect(await read({ exitCode: 1, stderr })).toEqual({
      type: 'abnormal',
      message: expect.stringContaining('Input/output error') as string,
    });
  });

  it('tell that the kernel made it read-only', async () => {
    const stdout = '4096 1000 400 300 50 20\n';
    expect(await read({ stdout }, mounted('rw', 'ro'))).toMatchObject({
      abnormal: expect.stringContaining('read-only') as string,
    });
    expect(await read({ stdout }, mounted('ro', 'ro'))).not.toHaveProperty('abnormal');
  });

  it('ask a stuck file system once, answer at once from then on, and ask again when it has woken', async () => {
    const asked: ((result: CommandResult) => void)[] = [];
    const exec: Exec = () => new Promise(resolve => asked.push(resolve));
    const reader = createStatisticsReader({ exec, readMounts: mounted(), limit: 1 });
    const ask = () => reader({ path: PATH }, createTestContext());
    const stuck = { type: 'abnormal', message: expect.stringContaining('has not answered') as string };
    expect(await Promise.all([ask(), ask()])).toEqual([stuck, stuck]);
    expect(await ask()).toEqual(stuck);
    expect(asked).toHaveLength(1);

    const result = { exitCode: 0, stdout: '4096 1000 400 300 50 20\n', stderr: '' };
    asked[0]?.(result);
    await new Promise(resolve => setImmediate(resolve));
    const answer = ask();
    await expect.poll(() => asked.length).toBe(2);
    asked[1]?.(result);
    expect(await answer).toMatchObject({ type: 'file-system' });
  });
});

describeOnNode('statistics of what is mounted', lab => {
  it('are those of an ext4', async () => {
    const { host, directory, createDevice } = lab();
    const { device } = createDevice(32);
    run('mkfs.ext4', '-q', '-N', '1024', device);
    const path = join(directory, 'a path');
    mkdirSync(path);
    run('mount', device, path);
    const before = await createStatisticsReader(host)({ path }, host.context);
    writeFileSync(join(path, 'file'), Buffer.alloc(2 * MIB), { flush: true });
    const after = await createStatisticsReader(host)({ path }, host.context);
    if (before.type !== 'file-system' || after.type !== 'file-system') throw new Error('no statistics');
    expect(Number(after.bytes.used - before.bytes.used)).toBeGreaterThanOrEqual(2 * MIB);
    expect(before.inodes?.total).toBe(1024n);
    expect((after.inodes?.used ?? 0n) - (before.inodes?.used ?? 0n)).toBe(1n);
  });

  it('are the size of a raw block volume', async () => {
    const { host, directory, createDevice } = lab();
    const { device } = createDevice(8);
    const path = join(directory, 'published');
    writeFileSync(path, '');
    run('mount', '--bind', device, path);
    expect(await createStatisticsReader(host)({ path }, host.context)).toEqual({
      type: 'block',
      totalBytes: BigInt(8 * MIB),
    });
  });

  it('say that a FUSE daemon does not answer, and that it has died', async () => {
    const { host, directory } = lab();
    const fuse = await startFuseFile(directory);
    try {
      const reader = createStatisticsReader({ ...host, limit: 500 });
      await fuse.freeze();
      expect(await reader({ path: fuse.path }, host.context)).toMatchObject({
        type: 'abnormal',
        message: expect.stringContaining('has not answered') as string,
      });
      await fuse.kill();
      await expect
        .poll(() => reader({ path: fuse.path }, host.context), { timeout: 20_000 })
        .toMatchObject({ message: expect.stringContaining('Transport endpoint is not connected') as string });
    } finally {
      await fuse.kill();
    }
  });
});
