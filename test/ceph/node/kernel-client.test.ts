import { open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listWatchers as listImageWatchers } from '../../../src/ceph/rbd-image.ts';
import { createClusterSource } from '../../../src/config/clusters.ts';
import { createExec } from '../../../src/exec/run.ts';
import { createStatisticsReader } from '../../../src/mount/statistics.ts';
import { mountAt, readMounts } from '../../../src/mount/mountinfo.ts';
import { requireVolumePlace } from '../../../src/rbd/places.ts';
import { createSessions } from '../../../src/rbd/sessions.ts';
import { clients } from '../harness/clients.ts';
import { ceph, cluster, rbd } from '../harness/cluster.ts';
import {
  context,
  countWatchers,
  listWatchers,
  nodeSecrets,
  run,
  useNode,
  type TestVolume,
} from './fixture.ts';

const BUS = '/sys/bus/rbd/devices';

/** What only the kernel's own client does. */
describe.runIf(clients.mapper === 'krbd')('krbd', () => {
  const node = useNode();

  async function deviceOf({ stagingPath }: TestVolume): Promise<string> {
    return mountAt(await readMounts(), stagingPath)?.source ?? 'nothing is mounted';
  }

  it('is given the options that the class has for it, and keeps the key to itself', async () => {
    const volume = await node.createVolume('64M');
    const mapOptions =
      'krbd:queue_depth=64,read_from_replica=localize,crush_location=zone:a|host:b;nbd:timeout=60';
    await node.start().stageVolume(volume.stage({ context: { mapOptions } }), context());
    const [number = ''] = await readdir(BUS);
    const options = await readFile(join(BUS, number, 'config_info'), 'utf8');
    expect(options).toContain('queue_depth=64');
    expect(options).toContain('read_from_replica=localize');
    expect(options).toContain('crush_location=zone:a|host:b');
    expect(options).not.toContain('timeout=60');
    const shown = options + (await readFile('/proc/mounts', 'utf8'));
    expect(shown).not.toContain(cluster.users.rbdNode.key);
    await node.start().unstageVolume(volume.unstage, context());
    expect(await readdir(BUS)).toEqual([]);
  });

  it('is told which of its options the kernel does not know', async () => {
    const volume = await node.createVolume('64M');
    const request = volume.stage({ context: { mapOptions: 'krbd:no_such_option' } });
    await expect(node.start().stageVolume(request, context())).rejects.toThrow(/no_such_option/);
    expect(await readdir(BUS)).toEqual([]);
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('leaves an image with a feature that it lacks to the next mapper, or says which', async () => {
    const volume = await node.createVolume('64M', 'layering,exclusive-lock,journaling');
    await expect(node.start().stageVolume(volume.stage(), context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('journaling') as unknown,
    });
    const request = volume.stage({ context: { tryOtherMounters: 'true' } });
    await node.start().stageVolume(request, context());
    expect(await deviceOf(volume)).toMatch(/^\/dev\/nbd/);
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('leaves an image with limits, which it does not keep to, to the next mapper, or says which', async () => {
    const volume = await node.createVolume('64M');
    await rbd(
      'config',
      'image',
      'set',
      `${cluster.pools.replicated}/${volume.image}`,
      'rbd_qos_iops_limit',
      '500',
    );
    await expect(node.start().stageVolume(volume.stage(), context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('the image has rbd_qos_iops_limit') as unknown,
    });
    await node.start().stageVolume(volume.stage({ context: { mounter: 'auto' } }), context());
    expect(await deviceOf(volume)).toMatch(/^\/dev\/nbd/);
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('is told from librbd among those who have an image open', async () => {
    const volume = await node.createVolume('64M');
    const source = createClusterSource(cluster.clustersFile);
    const session = createSessions(createExec(), source).open(cluster.clusterId, nodeSecrets, context());
    const place = requireVolumePlace(volume.volumeId);
    const kernels = async () => (await listImageWatchers(session, place))?.map(({ isKernel }) => isKernel);
    for (const [mounter, isKernel] of [
      ['krbd', true],
      ['nbd', false],
    ] as const) {
      await node.start().stageVolume(volume.stage({ context: { mounter } }), context());
      expect(await kernels()).toEqual([isKernel]);
      await node.start().unstageVolume(volume.unstage, context());
    }
  });

  it('does not unmap a device that a process has open', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    const holder = await open(await deviceOf(volume), 'r');
    await expect(node.start().unstageVolume(volume.unstage, context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/busy/i) as unknown,
    });
    expect(await countWatchers(volume.image)).toBe(1);
    await holder.close();
    await node.start().unstageVolume(volume.unstage, context());
    expect(await countWatchers(volume.image)).toBe(0);
  });

  it('is unmapped as often as it was mapped', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await rbd('device', 'map', '--options', 'noudev', `rbd/${volume.image}`);
    expect(await readdir(BUS)).toHaveLength(2);
    await node.start().unstageVolume(volume.unstage, context());
    expect(await readdir(BUS)).toEqual([]);
  });

  it('that was shut out of the cluster is reported, unstaged, and staged anew beside others', async () => {
    const volume = await node.createVolume('64M');
    const other = await node.createVolume('64M');
    for (const each of [volume, other]) await node.start().stageVolume(each.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept', { flush: true });
    const [address = ''] = await listWatchers(volume.image);
    await ceph('osd', 'blocklist', 'add', address);
    const readStatistics = createStatisticsReader({ exec: createExec() });
    const writeAndAsk = async () => {
      await expect(writeFile(join(volume.stagingPath, 'lost'), 'x', { flush: true })).rejects.toThrow();
      return await readStatistics({ path: volume.stagingPath }, context());
    };
    await expect
      .poll(writeAndAsk, { timeout: 120_000 })
      .toMatchObject({ abnormal: expect.stringMatching(/errors|read-only/) as unknown });

    await node.start().unstageVolume(volume.unstage, context());
    await node.start().stageVolume(volume.stage(), context());
    expect(await readFile(join(volume.stagingPath, 'file'), 'utf8')).toBe('kept');
    await writeFile(join(volume.stagingPath, 'new'), 'x', { flush: true });
    for (const { unstage } of [volume, other]) await node.start().unstageVolume(unstage, context());
    expect(await readdir(BUS)).toEqual([]);
    await ceph('osd', 'blocklist', 'rm', address);
  });

  it('is found again when the mount, the note, or both are gone', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    const device = await deviceOf(volume);
    await run('umount', volume.stagingPath);
    await node.start().stageVolume(volume.stage(), context());
    expect(await deviceOf(volume)).toBe(device);
    await run('umount', volume.stagingPath);
    await rm(join(node.directory, 'state'), { recursive: true, force: true });
    await node.start().stageVolume(volume.stage(), context());
    expect(await deviceOf(volume)).toBe(device);
    expect(await readFile(join(volume.stagingPath, 'file'), 'utf8')).toBe('kept');
    await rm(join(node.directory, 'state'), { recursive: true, force: true });
    await node.start().unstageVolume(volume.unstage, context());
    expect(await readdir(BUS)).toEqual([]);
  });
});
