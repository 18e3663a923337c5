import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ensureMountPoint, removeMountPoint } from '../../src/mount/mount-point.ts';
import { mountAt, readMounts } from '../../src/mount/mountinfo.ts';
import { unmountPath } from '../../src/mount/unmounting.ts';
import { startFuseFile } from './fuse-file.ts';
import { describeOnNode, run } from './node-lab.ts';

function mountTmpfs(path: string): void {
  mkdirSync(path, { recursive: true });
  run('mount', '-t', 'tmpfs', 'tmpfs', path);
}

describeOnNode('unmounting', lab => {
  it('takes every mount at the path away, and is repeatable', async () => {
    const { directory, host } = lab();
    const path = join(directory, 'a stack');
    for (let count = 0; count < 3; count += 1) mountTmpfs(path);
    await unmountPath({ path }, host);
    expect(mountAt(await readMounts(), path)).toBeUndefined();
    await unmountPath({ path }, host);
    await unmountPath({ path: join(directory, 'missing', 'path') }, host);
  });

  it('refuses a mount in use, naming the process', async () => {
    const { directory, host } = lab();
    const path = join(directory, 'busy');
    mountTmpfs(path);
    const holder = spawn('sleep', ['60'], { cwd: path });
    try {
      await once(holder, 'spawn');
      await expect(unmountPath({ path }, host)).rejects.toMatchObject({
        kind: 'failed-precondition',
        message: expect.stringContaining(`process ${String(holder.pid)} (sleep)`) as string,
      });
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await unmountPath({ path }, host);
    expect(mountAt(await readMounts(), path)).toBeUndefined();
  });

  it('refuses a mount with another below, naming it', async () => {
    const { directory, host } = lab();
    const path = join(directory, 'outer');
    mountTmpfs(path);
    mountTmpfs(join(path, 'inner'));
    await expect(unmountPath({ path }, host)).rejects.toThrow(`a mount at ${join(path, 'inner')}`);
  });

  it('takes a FUSE mount away whose daemon has died, even when it is in use', async () => {
    const { directory, host } = lab();
    const fuse = await startFuseFile(directory);
    const descriptor = openSync(fuse.path, 'r');
    try {
      await fuse.kill();
      await unmountPath({ path: fuse.path }, host);
      expect(mountAt(await readMounts(), fuse.path)).toBeUndefined();
    } finally {
      // Closing flushes, for which the daemon is missing.
      expect(() => closeSync(descriptor)).toThrow('ENOTCONN');
      await fuse.kill();
    }
  });
});

describeOnNode('unmounting what does not answer', lab => {
  it('does not wait for the daemon', async () => {
    const { directory, host } = lab();
    const fuse = await startFuseFile(directory);
    try {
      await fuse.freeze();
      await unmountPath({ path: fuse.path }, host);
      expect(mountAt(await readMounts(), fuse.path)).toBeUndefined();
    } finally {
      await fuse.kill();
    }
  });
});

describeOnNode('a mount point', lab => {
  it('is made with its directories, and removed when it is empty', async () => {
    const { directory, host } = lab();
    for (const type of ['directory', 'file'] as const) {
      const path = join(directory, 'new', type, 'point');
      for (let round = 0; round < 2; round += 1) await ensureMountPoint({ path, type }, host);
      expect(existsSync(path)).toBe(true);
      for (let round = 0; round < 2; round += 1) await removeMountPoint({ path }, host);
      expect(existsSync(path)).toBe(false);
    }
  });

  it('is refused where something of another kind is', async () => {
    const { directory, host } = lab();
    const path = join(directory, 'thing');
    writeFileSync(path, '');
    await expect(ensureMountPoint({ path, type: 'directory' }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    await expect(ensureMountPoint({ path: directory, type: 'file' }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
  });

  it('is kept with the data that is in it', async () => {
    const { directory, host } = lab();
    const full = join(directory, 'full');
    mkdirSync(join(full, 'sub'), { recursive: true });
    const file = join(directory, 'file');
    writeFileSync(file, 'data');
    for (const path of [full, file]) {
      await expect(removeMountPoint({ path }, host)).rejects.toMatchObject({ kind: 'failed-precondition' });
      expect(existsSync(path)).toBe(true);
    }
  });

  it('is kept while something is mounted there', async () => {
    const { directory, host } = lab();
    const path = join(directory, 'mounted');
    mountTmpfs(path);
    await expect(removeMountPoint({ path }, host)).rejects.toThrow('tmpfs (tmpfs) is mounted here');
  });
});
