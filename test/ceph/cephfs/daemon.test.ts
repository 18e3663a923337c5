import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { mountCapability } from '../../../dev/driver/requests.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { clients } from '../harness/clients.ts';
import { values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';
import { createCalls } from './fixture.ts';

const driver = useDriver({ flags: ['--mounter', clients.mounter] });
const calls = createCalls(driver);

/** The ceph-fuse processes that have mounted a path. */
async function findDaemons(path: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(entry => /^[0-9]+$/.test(entry));
  const found = await Promise.all(
    pids.map(async pid => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const [program = '', ...args] = line.split('\0');
      return basename(program) === 'ceph-fuse' && args.includes(path) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

async function waitUntilGone(pids: readonly number[]): Promise<void> {
  for (let round = 0; round < 600; round += 1) {
    const left = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    if (left.every(line => line === '')) return;
    await sleep(100);
  }
  throw new Error(`still there: ${pids.join(', ')}`);
}

/** Kills the daemons of a path. */
async function killDaemons(path: string): Promise<void> {
  const daemons = await findDaemons(path);
  for (const pid of daemons) process.kill(pid, 'SIGKILL');
  await waitUntilGone(daemons);
}

/** Milliseconds. Ceph waits a minute for each client that has died before others get what it was using. */
const PATIENCE = 400_000;

test('files stay open and writable while the driver is killed and comes back', async () => {
  const volume = await calls.create('outliving');
  const { path } = await calls.stage(volume, 'outliving');
  const before = await findDaemons(path);
  expect(before).toHaveLength(clients.mounter === 'fuse' ? 1 : 0);
  await writeFile(join(path, 'file'), 'first');
  await driver.restart('SIGKILL');
  await writeFile(join(path, 'file'), 'second');
  const again = await calls.stage(volume, 'outliving');
  expect(await findDaemons(path)).toEqual(before);
  expect(await readFile(join(path, 'file'), 'utf8')).toBe('second');
  await again.unstage();
  await calls.remove(volume);
});

test.runIf(clients.mounter === 'fuse')(
  'a dead ceph-fuse is reported, and mended by the next stage',
  { timeout: PATIENCE },
  async () => {
    const volume = await calls.create('mortal-daemon');
    const { path, unstage } = await calls.stage(volume, 'mortal-daemon');
    await writeFile(join(path, 'file'), 'kept');
    const query = { volume_id: volume.volume_id, volume_path: path, staging_target_path: path };
    const healthy = await driver.cephfs.call(csi.Node.NodeGetVolumeStats, query);
    expect(healthy.volume_condition?.abnormal).toBe(false);

    // What was written is in the cluster before the daemon is killed.
    const other = await calls.stage(volume, 'mortal-daemon-other');
    expect(await readFile(join(other.path, 'file'), 'utf8')).toBe('kept');
    await killDaemons(path);

    const sick = await driver.cephfs.call(csi.Node.NodeGetVolumeStats, query);
    expect(sick.volume_condition?.abnormal).toBe(true);
    expect(sick.volume_condition?.message).toContain('not connected');
    await calls.stage(volume, 'mortal-daemon');
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('kept');
    await unstage();

    await killDaemons(other.path);
    await other.unstage();
    await calls.remove(volume);
  },
);

test.runIf(clients.mounter === 'fuse')(
  'a dead ceph-fuse is mended by the publication for another Pod, which brings a key',
  { timeout: PATIENCE },
  async () => {
    const volume = await calls.create('mended');
    const { path, unstage } = await calls.stage(volume, 'mended');
    const publish = (target: string, secrets: Record<string, string> = {}) =>
      driver.cephfs.call(csi.Node.NodePublishVolume, {
        volume_id: volume.volume_id,
        staging_target_path: path,
        target_path: join(driver.directory, target),
        volume_context: volume.volume_context,
        volume_capability: mountCapability('MULTI_NODE_MULTI_WRITER'),
        secrets,
      });
    await publish('first-pod');
    await killDaemons(path);

    await expect(publish('second-pod')).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('node-publish-secret') as string,
    });
    const pods = ['second-pod', 'third-pod'];
    await Promise.all(pods.map(pod => publish(pod, values.cephfs.nodeSecrets)));
    for (const pod of pods) expect(await readdir(join(driver.directory, pod))).toEqual([]);
    expect(await findDaemons(path)).toHaveLength(1);
    // What the first Pod has is dead until it is published anew.
    await expect(readdir(join(driver.directory, 'first-pod'))).rejects.toThrow(/ENOTCONN/);
    await publish('first-pod');
    expect(await readdir(join(driver.directory, 'first-pod'))).toEqual([]);

    for (const pod of ['first-pod', ...pods]) {
      const publication = { volume_id: volume.volume_id, target_path: join(driver.directory, pod) };
      await driver.cephfs.call(csi.Node.NodeUnpublishVolume, publication);
    }
    await unstage();
    await calls.remove(volume);
  },
);

test('a static volume shows the directory that an administrator names', { timeout: PATIENCE }, async () => {
  const volume = await calls.create('home');
  const path = volume.volume_context['subvolumePath'] ?? '';
  const own = await calls.stage(volume, 'home');
  await writeFile(join(own.path, 'file'), 'of the administrator');
  const [, clusterID = '', fsName = ''] = volume.volume_id.split('/');
  const context = { staticVolume: 'true', clusterID, fsName, rootPath: path };
  const named = await calls.stage({ ...volume, volume_id: 'by-hand', volume_context: context }, 'static');
  expect(await readFile(join(named.path, 'file'), 'utf8')).toBe('of the administrator');
  await named.unstage();
  await own.unstage();
  await calls.remove(volume);
});
