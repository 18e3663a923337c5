import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bindMount, mountFileSystem } from '../../src/mount/mounting.ts';
import { mountAt, readMounts } from '../../src/mount/mountinfo.ts';
import { describeOnNode, run } from './node-lab.ts';

describeOnNode('mounting a file system', lab => {
  it('makes the mount point, and does nothing when repeated', async () => {
    const { directory, host, createDevice } = lab();
    const { device } = createDevice(32);
    run('mkfs.ext4', '-q', device);
    const path = join(directory, `it's "quoted", with spaces`, 'ünd more');
    const request = { device, path, fsType: 'ext4', options: ['noatime', 'nosuid'] } as const;
    await mountFileSystem(request, host);
    await mountFileSystem(request, host);
    const mounts = (await readMounts()).filter(mount => mount.path === path);
    expect(mounts).toHaveLength(1);
    expect(mounts[0]?.options).toEqual(expect.arrayContaining(['rw', 'noatime', 'nosuid']));
    expect(statSync(join(directory, `it's "quoted", with spaces`)).mode & 0o7777).toBe(0o750);
  });

  it('refuses a path that another device is mounted at', async () => {
    const { directory, host, createDevice } = lab();
    const [first, second] = [createDevice(32), createDevice(32)];
    for (const { device } of [first, second]) run('mkfs.ext4', '-q', device);
    const path = join(directory, 'path');
    await mountFileSystem({ device: first.device, path, fsType: 'ext4', options: [] }, host);
    await expect(
      mountFileSystem({ device: second.device, path, fsType: 'ext4', options: [] }, host),
    ).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(first.device) as string,
    });
  });

  it('refuses to be read-only where it is writable already', async () => {
    const { directory, host, createDevice } = lab();
    const { device } = createDevice(32);
    run('mkfs.ext4', '-q', device);
    const path = join(directory, 'path');
    await mountFileSystem({ device, path, fsType: 'ext4', options: [] }, host);
    await expect(
      mountFileSystem({ device, path, fsType: 'ext4', options: ['ro'] }, host),
    ).rejects.toMatchObject({ kind: 'already-exists' });
  });

  it('does not fall back to read-only for a write-protected device', async () => {
    const { directory, host, createDevice } = lab();
    const disk = createDevice(32);
    run('mkfs.ext4', '-q', disk.device);
    run('losetup', '--detach', disk.device);
    const device = run('losetup', '--find', '--show', '--read-only', disk.file).trim();
    const path = join(directory, 'path');
    await expect(mountFileSystem({ device, path, fsType: 'ext4', options: [] }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    await mountFileSystem({ device, path, fsType: 'ext4', options: ['ro'] }, host);
  });

  it('passes on what the kernel says of a device that it cannot mount', async () => {
    const { directory, host, createDevice } = lab();
    const { device } = createDevice(32);
    const path = join(directory, 'path');
    await expect(mountFileSystem({ device, path, fsType: 'ext4', options: [] }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('mount exited 32') as string,
    });
  });

  it('mounts an xfs copy beside its original', async () => {
    const { directory, host, createDevice } = lab();
    const [first, second] = [createDevice(320), createDevice(320)];
    run('mkfs.xfs', '-q', first.device);
    run('cp', '--sparse=always', first.file, second.file);
    run('losetup', '--detach', second.device);
    const copy = run('losetup', '--find', '--show', second.file).trim();
    for (const [device, name] of [
      [first.device, 'one'],
      [copy, 'two'],
    ] as const) {
      await mountFileSystem({ device, path: join(directory, name), fsType: 'xfs', options: [] }, host);
    }
    expect(mountAt(await readMounts(), join(directory, 'two'))?.source).toBe(copy);
  });
});

describeOnNode('binding', lab => {
  async function createSource() {
    const { directory, host, createDevice } = lab();
    const { device } = createDevice(32);
    run('mkfs.ext4', '-q', device);
    const source = join(directory, 'staged volume');
    await mountFileSystem({ device, path: source, fsType: 'ext4', options: ['noatime', 'nodev'] }, host);
    writeFileSync(join(source, 'file'), 'content');
    return { source, target: join(directory, 'target', 'mount'), host, device };
  }

  it('shows the directory at the target, once', async () => {
    const { source, target, host } = await createSource();
    for (let round = 0; round < 2; round += 1) await bindMount({ source, target, readOnly: false }, host);
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('content');
    writeFileSync(join(target, 'second'), 'written');
    expect((await readMounts()).filter(mount => mount.path === target)).toHaveLength(1);
  });

  it('read-only keeps writers out, and the other flags', async () => {
    const { source, target, host } = await createSource();
    for (let round = 0; round < 2; round += 1) await bindMount({ source, target, readOnly: true }, host);
    expect(() => writeFileSync(join(target, 'second'), 'written')).toThrow('EROFS');
    const options = mountAt(await readMounts(), target)?.options;
    expect(options).toEqual(expect.arrayContaining(['ro', 'noatime', 'nodev']));
    writeFileSync(join(source, 'second'), 'the source stays writable');
  });

  it('read-only that was interrupted before its second step is completed', async () => {
    const { source, target, host } = await createSource();
    mkdirSync(target, { recursive: true });
    run('mount', '--bind', source, target);
    await bindMount({ source, target, readOnly: true }, host);
    expect(() => writeFileSync(join(target, 'second'), 'written')).toThrow('EROFS');
  });

  it('refuses a target that is bound read-only to become writable', async () => {
    const { source, target, host } = await createSource();
    await bindMount({ source, target, readOnly: true }, host);
    await expect(bindMount({ source, target, readOnly: false }, host)).rejects.toMatchObject({
      kind: 'already-exists',
    });
  });

  it('of a read-only mount is repeatable as writable, which it cannot be', async () => {
    const { source, target, host } = await createSource();
    const readOnly = join(target, '..', 'read only');
    await bindMount({ source, target: readOnly, readOnly: true }, host);
    for (let round = 0; round < 2; round += 1) {
      await bindMount({ source: readOnly, target, readOnly: false }, host);
    }
  });

  it('refuses a target where something else is mounted', async () => {
    const { source, target, host } = await createSource();
    mkdirSync(join(source, 'sub'));
    await bindMount({ source: join(source, 'sub'), target, readOnly: false }, host);
    await expect(bindMount({ source, target, readOnly: false }, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
  });

  it('a device node makes the target a file, and reads as the device', async () => {
    const { target, host, device } = await createSource();
    await bindMount({ source: device, target, readOnly: false, file: true }, host);
    expect(statSync(target).isBlockDevice()).toBe(true);
    expect(run('blockdev', '--getsize64', target).trim()).toBe(String(32 * 1024 * 1024));
  });

  it('a source that is missing leaves nothing mounted', async () => {
    const { source, target, host } = await createSource();
    await expect(
      bindMount({ source: join(source, 'missing'), target, readOnly: false }, host),
    ).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(mountAt(await readMounts(), target)).toBeUndefined();
    expect(existsSync(target)).toBe(true);
  });
});
