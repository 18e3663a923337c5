import { existsSync, mkdirSync, readFileSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FILE_SYSTEM_TYPES } from '../../src/mount/file-system-type.ts';
import { blockDevicePath } from '../../src/mount/mount-point.ts';
import { mountAt, readMounts } from '../../src/mount/mountinfo.ts';
import { findStagedDevice, stageBlockDevice, stageFileSystem, unstagePath } from '../../src/mount/staging.ts';
import { createMark, describeOnNode } from './node-lab.ts';

const MIB = 1024 * 1024;

describeOnNode('staging', lab => {
  function createStagingPath(): string {
    const path = join(lab().directory, 'globalmount');
    mkdirSync(path);
    return path;
  }

  it.each(FILE_SYSTEM_TYPES)('an %s volume keeps its data and grows with its image', async fsType => {
    const { host, ...node } = lab();
    const disk = node.createDevice(320);
    const stagingPath = createStagingPath();
    const request = { device: disk.device, stagingPath, fsType, options: ['noatime'], mark: createMark() };
    for (let round = 0; round < 2; round += 1) await stageFileSystem(request, host);
    writeFileSync(join(stagingPath, 'file'), 'content');
    expect(await findStagedDevice({ stagingPath }, host)).toMatchObject({ path: disk.device });
    for (let round = 0; round < 2; round += 1) await unstagePath({ stagingPath }, host);
    expect(await findStagedDevice({ stagingPath }, host)).toBeUndefined();
    expect(existsSync(stagingPath)).toBe(true);

    node.enlarge(disk, 512);
    await stageFileSystem(request, host);
    expect(readFileSync(join(stagingPath, 'file'), 'utf8')).toBe('content');
    const { blocks, bsize } = statfsSync(stagingPath);
    expect(blocks * bsize).toBeGreaterThan(400 * MIB);
  });

  it('read-only leaves the file system as it is', async () => {
    const { host, ...node } = lab();
    const disk = node.createDevice(32);
    const stagingPath = createStagingPath();
    const request = { device: disk.device, stagingPath, fsType: 'ext4', mark: createMark() } as const;
    await stageFileSystem({ ...request, options: [] }, host);
    await unstagePath({ stagingPath }, host);
    node.enlarge(disk, 96);
    await stageFileSystem({ ...request, options: ['ro'] }, host);
    const { blocks, bsize } = statfsSync(stagingPath);
    expect(blocks * bsize).toBeLessThan(33 * MIB);
  });

  it('a raw block volume binds its device node, once, and another device is refused', async () => {
    const { host, createDevice } = lab();
    const [{ device }, other] = [createDevice(8), createDevice(8)];
    const stagingPath = createStagingPath();
    for (let round = 0; round < 2; round += 1) await stageBlockDevice({ device, stagingPath }, host);
    const path = blockDevicePath(stagingPath);
    expect(statSync(path).isBlockDevice()).toBe(true);
    expect((await readMounts()).filter(mount => mount.path === path)).toHaveLength(1);
    expect(await findStagedDevice({ stagingPath }, host)).toMatchObject({ path: device });
    await expect(stageBlockDevice({ device: other.device, stagingPath }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    await unstagePath({ stagingPath }, host);
    expect(existsSync(path)).toBe(false);
    expect(mountAt(await readMounts(), path)).toBeUndefined();
  });
});
