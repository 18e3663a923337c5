import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { isQuiesceKnown } from '../../../src/ceph/fs-quiesce.ts';
import { createCephfsController } from '../../../src/cephfs/controller.ts';
import { createClusterSource } from '../../../src/config/clusters.ts';
import type { Exec } from '../../../src/exec/command.ts';
import { createExec } from '../../../src/exec/run.ts';
import type { Volume__Output as Volume } from '../../../src/gen/csi/v1/Volume.ts';
import type { VolumeGroupSnapshot__Output as GroupSnapshot } from '../../../src/gen/csi/v1/VolumeGroupSnapshot.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { Secret } from '../../../src/model/secret.ts';
import { createTestContext } from '../../exec/fake-exec.ts';
import { ceph, cluster, listSubvolumes, values } from '../harness/cluster.ts';
import { clients } from '../harness/clients.ts';
import { useDriver } from '../harness/driver.ts';
import { killAfterEachProgram } from '../harness/mortal-driver.ts';
import { startAlternatingFileWriter } from './alternating-file-writer.ts';
import { createCalls, fromSnapshot, untilSettled } from './fixture.ts';

const driver = useDriver({ flags: ['--mounter', clients.mounter] });
const calls = createCalls(driver);
const { secrets } = values.cephfs;

const isOffered = await isQuiesceKnown(createExec(), createTestContext());
if (!isOffered)
  process.stdout.write('not run: group snapshots of CephFS; this release has no "ceph fs quiesce"\n');

/** A controller that works without the driver's process, with a program for each command. */
function start({ exec }: { readonly exec: Exec }) {
  const { log } = createTestContext();
  return createCephfsController({ exec, log, clusters: createClusterSource(cluster.clustersFile) });
}

const ownSecrets = Object.fromEntries(
  Object.entries(secrets).map(([key, value]) => [key, new Secret(value)]),
);

function specOf(name: string, volumes: readonly Volume[]) {
  return {
    name,
    sourceVolumeIds: volumes.map(({ volume_id }) => volume_id),
    parameters: {},
    secrets: ownSecrets,
  };
}

async function group(name: string, volumes: readonly Pick<Volume, 'volume_id'>[]): Promise<GroupSnapshot> {
  const request = { name, source_volume_ids: volumes.map(({ volume_id }) => volume_id), secrets };
  const answer = await untilSettled(() =>
    driver.cephfs.call(csi.GroupController.CreateVolumeGroupSnapshot, request),
  );
  if (answer.group_snapshot === null) throw new Error('the answer has no group snapshot');
  return answer.group_snapshot;
}

function referenceTo({ group_snapshot_id, snapshots }: GroupSnapshot) {
  return { group_snapshot_id, snapshot_ids: snapshots.map(({ snapshot_id }) => snapshot_id), secrets };
}

async function removeGroup(made: GroupSnapshot): Promise<void> {
  await driver.cephfs.call(csi.GroupController.DeleteVolumeGroupSnapshot, referenceTo(made));
}

async function read(made: GroupSnapshot): Promise<GroupSnapshot | null> {
  const answer = await driver.cephfs.call(csi.GroupController.GetVolumeGroupSnapshot, referenceTo(made));
  return answer.group_snapshot;
}

/** The group's snapshot of the volume. */
function partOf({ snapshots }: GroupSnapshot, { volume_id }: Volume) {
  const found = snapshots.find(({ source_volume_id }) => source_volume_id === volume_id);
  if (found === undefined) throw new Error(`there is no snapshot of ${volume_id}`);
  return found;
}

async function createPair(name: string): Promise<readonly [Volume, Volume]> {
  return [await calls.create(`${name}-a`), await calls.create(`${name}-b`)];
}

it('are offered by releases that can hold back the writes to several volumes', async () => {
  const release = Number(/version (\d+)\./.exec(await ceph('version'))?.[1]);
  expect(isOffered).toBe(release >= 19);
  const { capabilities } = await driver.cephfs.call(csi.Identity.GetPluginCapabilities, {});
  const services = capabilities.map(({ service }) => service?.type);
  expect(services.includes('GROUP_CONTROLLER_SERVICE')).toBe(isOffered);
});

it.skipIf(isOffered)('are refused by a cluster that cannot, which is named', async () => {
  const [a, b] = await createPair('too-old');
  const made = start({ exec: createExec() }).createGroupSnapshot(
    specOf('too-old', [a, b]),
    createTestContext(),
  );
  await expect(made).rejects.toMatchObject({
    kind: 'failed-precondition',
    message: expect.stringMatching(/has Ceph 1[0-9]\.[0-9.]+, .* 19 or newer/) as string,
  });
  expect(await calls.listSnapshots()).toEqual([]);
  await Promise.all([calls.remove(a), calls.remove(b)]);
});

describe.runIf(isOffered)('group snapshots', () => {
  it('are made, found again, restored, and deleted after their volumes', async () => {
    const [a, b] = await createPair('life');
    const name = 'Gruppe “日本語” 🐙';
    const made = await group(name, [a, b]);
    expect(made.ready_to_use).toBe(true);
    expect(made.snapshots).toHaveLength(2);
    expect(await group(name, [b, a])).toMatchObject({ group_snapshot_id: made.group_snapshot_id });
    expect(await read(made)).toEqual(made);
    await expect(group(name, [a])).rejects.toMatchObject({ code: status.ALREADY_EXISTS });

    const part = partOf(made, a);
    expect(part.group_snapshot_id).toBe(made.group_snapshot_id);
    expect(await calls.listSnapshots()).toEqual(expect.arrayContaining([...made.snapshots]));
    expect((await calls.listVolumes()).toSorted()).toEqual([a.volume_id, b.volume_id].toSorted());
    await expect(calls.removeSnapshot(part)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    const other = { ...referenceTo(made), snapshot_ids: [part.snapshot_id] };
    const deletion = driver.cephfs.call(csi.GroupController.DeleteVolumeGroupSnapshot, other);
    await expect(deletion).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });

    await removeGroup(await group('life-2', [a, b]));
    await calls.remove(a);
    await calls.remove(b);
    const restored = await calls.create('life-restored', fromSnapshot(part));
    await untilSettled(() => removeGroup(made));
    await removeGroup(made);
    await expect(read(made)).rejects.toMatchObject({ code: status.NOT_FOUND });
    await calls.remove(restored);
    expect(await listSubvolumes()).toEqual([]);
  });

  it('have any number of members', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `many-${index}`);
    const volumes: Volume[] = [];
    for (const name of names) volumes.push(await calls.create(name));
    for (const members of [volumes.slice(0, 1), volumes]) {
      const made = await group(`many-${members.length}`, members);
      expect(made.snapshots).toHaveLength(members.length);
      await removeGroup(made);
    }
    for (const volume of volumes) await calls.remove(volume);
  });

  it('are refused where Ceph makes none of these volumes together', async () => {
    const [a, b] = await createPair('refused');
    const missing = { volume_id: `${b.volume_id}-gone` };
    await expect(group('refused', [a, missing])).rejects.toMatchObject({ code: status.NOT_FOUND });
    const elsewhere = { volume_id: b.volume_id.replace(`/${cluster.fsName}/`, '/elsewhere/') };
    await expect(group('refused', [a, elsewhere])).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining(elsewhere.volume_id) as string,
    });
    expect(await calls.listSnapshots()).toEqual([]);
    await calls.remove(a);
    await calls.remove(b);
  });

  it('show one point in time of volumes that are written to meanwhile', async () => {
    const [a, b] = await createPair('written');
    const first = await calls.stage(a, 'written-a');
    const second = await calls.stage(b, 'written-b');
    // Who reads is another client than who writes.
    const readers = [await calls.stage(a, 'read-a'), await calls.stage(b, 'read-b')];
    const writer = await startAlternatingFileWriter([first.path, second.path]);
    for (const round of [1, 2, 3]) {
      const made = await group(`written-${round}`, [a, b]);
      const [before = 0, after = 0] = await Promise.all(
        readers.map(async ({ path }) => {
          const name = made.snapshots[0]?.snapshot_id.split('/').at(-1) ?? '';
          const shown = (await readdir(join(path, '.snap'))).find(entry => entry.includes(name));
          return Number(await readFile(join(path, '.snap', shown ?? '', 'counter'), 'utf8'));
        }),
      );
      // The first is always written before the second, and each write has ended before the next one begins.
      expect(before).toBeGreaterThan(0);
      expect([after, after + 1]).toContain(before);
      await removeGroup(made);
    }
    await writer.stop();
    for (const staged of [first, second, ...readers]) await staged.unstage();
    await calls.remove(a);
    await calls.remove(b);
  });

  it(
    'are whole or not there when the driver is killed after any of its programs',
    { timeout: 1_800_000 },
    async () => {
      const [a, b] = await createPair('killed');
      const make = async (backend: ReturnType<typeof start>) => {
        await backend.createGroupSnapshot(specOf('killed', [a, b]), createTestContext());
      };
      const programs = await killAfterEachProgram(start, make, async () => {
        for (const { group_snapshot_id } of await calls.listSnapshots()) {
          expect((await group('killed', [a, b])).group_snapshot_id).toBe(group_snapshot_id);
        }
        const made = await group('killed', [a, b]);
        expect(made.snapshots).toHaveLength(2);
        expect(await calls.listSnapshots()).toHaveLength(2);
        await removeGroup(made);
      });
      expect(programs).toBeGreaterThan(8);

      let made = await group('killed', [a, b]);
      const remove = async (backend: ReturnType<typeof start>) => {
        const { group_snapshot_id, snapshot_ids } = referenceTo(made);
        const reference = { groupSnapshotId: group_snapshot_id, snapshotIds: snapshot_ids };
        await backend.deleteGroupSnapshot({ ...reference, secrets: ownSecrets }, createTestContext());
      };
      await killAfterEachProgram(start, remove, async () => {
        await removeGroup(made);
        await expect(read(made)).rejects.toMatchObject({ code: status.NOT_FOUND });
        made = await group('killed', [a, b]);
      });
      await calls.remove(a);
      await calls.remove(b);
      expect(await listSubvolumes()).toEqual([]);
    },
  );

  it('leave nothing when they were killed, and the volumes are deleted', async () => {
    const [a, b] = await createPair('abandoned');
    const exec = createExec();
    const dying: Exec = async (command, context) => {
      const result = await exec(command, context);
      if (command.args.includes('create')) throw new Error('the driver was killed');
      if (command.args.some(arg => arg === 'rm' || arg === '--release')) throw new Error('it is dead');
      return result;
    };
    const made = start({ exec: dying }).createGroupSnapshot(specOf('abandoned', [a, b]), createTestContext());
    await expect(made).rejects.toThrow('the driver was killed');
    expect(await calls.listSnapshots()).toEqual([]);
    await calls.remove(a);
    await calls.remove(b);
    expect(await listSubvolumes()).toEqual([]);
  });
});
