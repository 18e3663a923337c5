import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  identifySource,
  mountAt,
  mountContaining,
  mountsBelow,
  mountsOfDevice,
  parseMounts,
  readMounts,
  resolveMountPath,
} from '../../src/mount/mountinfo.ts';

const TEXT = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
24 22 0:6 / /dev rw,nosuid shared:2 master:1 propagate_from:7 - devtmpfs devtmpfs rw,size=4k
30 22 252:0 / /stage/a\\040b rw,noatime - ext4 /dev/rbd0 rw
31 30 0:50 / /stage/a\\040b rw - btrfs /dev/loop3 ro,subvol=/
32 22 0:6 /rbd1 /stage/raw/device rw - devtmpfs devtmpfs rw
33 22 252:0 /data\\134x /pub/\\303\\274 ro - ext4 /dev/rbd0 rw
`;

describe('mountinfo', () => {
  const mounts = parseMounts(TEXT);

  it('is read field by field, whatever the number of optional ones', () => {
    expect(mounts[1]).toEqual({
      id: 24,
      parentId: 22,
      number: '0:6',
      root: '/',
      path: '/dev',
      options: ['rw', 'nosuid'],
      fsType: 'devtmpfs',
      source: 'devtmpfs',
      superOptions: ['rw', 'size=4k'],
    });
  });

  it('is unescaped, also where the escapes are bytes of one character', () => {
    expect(mounts.map(mount => mount.path)).toContain('/stage/a b');
    expect(mounts.at(-1)).toMatchObject({ path: '/pub/ü', root: '/data\\x' });
  });

  it('refuses a line that is none', () => {
    expect(() => parseMounts('what is this')).toThrow('what is this');
  });

  it('tells the topmost of stacked mounts, in whatever order they are listed', () => {
    expect(mountAt(mounts, '/stage/a b')?.id).toBe(31);
    expect(mountAt(mounts.toReversed(), '/stage/a b')?.id).toBe(31);
    expect(mountAt(mounts, '/stage')).toBeUndefined();
  });

  it('tells what a path lies in, and what lies below it', () => {
    expect(mountContaining(mounts, '/dev/rbd1')?.id).toBe(24);
    expect(mountContaining(mounts, '/stage')?.id).toBe(22);
    expect(mountsBelow(mounts, '/stage').map(mount => mount.id)).toEqual([30, 31, 32]);
    expect(mountsBelow(mounts, '/sta')).toEqual([]);
  });

  it('tells the mounts of a device by its number, and those of btrfs by their source', () => {
    const ids = (path: string, number: string) =>
      mountsOfDevice(mounts, { path, number }).map(({ id }) => id);
    expect(ids('/dev/rbd0', '252:0')).toEqual([30, 33]);
    expect(ids('/dev/loop3', '7:3')).toEqual([31]);
    const renamed = { path: '/dev/dm-3', number: '253:3', alias: '/dev/loop3' };
    expect(mountsOfDevice(mounts, renamed).map(({ id }) => id)).toEqual([31]);
  });

  it('tells what a bind mount of a path would show', () => {
    expect(identifySource(mounts, '/dev/rbd1')).toMatchObject({ mount: { id: 24 }, root: '/rbd1' });
    expect(identifySource(mounts, '/pub/ü/sub')).toMatchObject({ mount: { id: 33 }, root: '/data\\x/sub' });
  });

  it('is that of this process', async () => {
    expect(mountAt(await readMounts(), '/proc')?.fsType).toBe('proc');
  });
});

describe('a mount path', () => {
  it('has no symbolic links in its directories, existing or not', async () => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'csi-driver-ceph-')));
    try {
      mkdirSync(join(directory, 'real'));
      symlinkSync(join(directory, 'real'), join(directory, 'link'));
      expect(await resolveMountPath(join(directory, 'link/x'))).toBe(join(directory, 'real/x'));
      expect(await resolveMountPath(join(directory, 'link/x/y/z/'))).toBe(join(directory, 'real/x/y/z'));
      expect(await resolveMountPath('/')).toBe('/');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
