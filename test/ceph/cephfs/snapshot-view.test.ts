import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VIEW_READER } from '../../../dev/ceph/users.ts';
import { mountCapability } from '../../../dev/driver/requests.ts';
import { csi } from '../../../src/grpc/contract.ts';
import type { Snapshot__Output as Snapshot } from '../../../src/gen/csi/v1/Snapshot.ts';
import type { Volume__Output as Volume } from '../../../src/gen/csi/v1/Volume.ts';
import { mountsBelow, readMounts } from '../../../src/mount/mountinfo.ts';
import { ceph, listSubvolumes, values } from '../harness/cluster.ts';
import { clients } from '../harness/clients.ts';
import { useDriver } from '../harness/driver.ts';
import { createCalls, fromSnapshot, fromVolume } from './fixture.ts';

const driver = useDriver({ flags: ['--mounter', clients.mounter] });
const calls = createCalls(driver);

const { userId, capabilities } = VIEW_READER;
/** Of the user that may read the whole file system, and write nothing. */
let readerSecrets: Record<string, string> = {};

beforeAll(async () => {
  const grants = Object.entries(capabilities).flat();
  await ceph('auth', 'get-or-create', `client.${userId}`, ...grants);
  const key = await ceph('auth', 'print-key', `client.${userId}`);
  readerSecrets = { userID: userId, userKey: key.trim() };
});
afterAll(async () => {
  await ceph('auth', 'rm', `client.${userId}`);
});

const readers = mountCapability('MULTI_NODE_READER_ONLY');
const wish = {
  parameters: { ...values.cephfs.parameters, backingSnapshot: 'true' },
  volume_capabilities: [readers],
};

function createView(name: string, snapshot: Snapshot): Promise<Volume> {
  return calls.create(name, { ...wish, ...fromSnapshot(snapshot) });
}

/** A volume with a file two directories deep, and a snapshot from before the file was changed. */
async function createSource(name: string): Promise<{ volume: Volume; snapshot: Snapshot }> {
  const volume = await calls.create(name);
  const staged = await calls.stage(volume, name);
  await mkdir(join(staged.path, 'a/b'), { recursive: true });
  await writeFile(join(staged.path, 'a/b/file'), 'before');
  const snapshot = await calls.snapshot(`of-${name}`, volume);
  await writeFile(join(staged.path, 'a/b/file'), 'after');
  await staged.unstage();
  return { volume, snapshot };
}

function stageView(view: Volume, where: string) {
  return calls.stage(view, where, 'MULTI_NODE_READER_ONLY', readerSecrets);
}

test('a view shows what the snapshot has, to be read only, and keeps the snapshot', async () => {
  const { volume, snapshot } = await createSource('viewed');
  const view = await createView('view', snapshot);
  expect(await createView('view', snapshot)).toEqual(view);
  const second = await createView('second-view', snapshot);
  expect(await listSubvolumes('csi-views')).toHaveLength(2);

  const staged = await stageView(view, 'view');
  const again = await stageView(view, 'view');
  expect(mountsBelow(await readMounts(), driver.directory)).toHaveLength(2);
  expect(await readFile(join(staged.path, 'a/b/file'), 'utf8')).toBe('before');
  await expect(writeFile(join(staged.path, 'new'), 'x')).rejects.toThrow(/EROFS/);

  const publication = {
    volume_id: view.volume_id,
    target_path: join(driver.directory, 'target'),
    staging_target_path: staged.path,
    volume_context: view.volume_context,
    volume_capability: readers,
    readonly: true,
  };
  await driver.cephfs.call(csi.Node.NodePublishVolume, publication);
  expect(await readFile(join(publication.target_path, 'a/b/file'), 'utf8')).toBe('before');
  await driver.cephfs.call(csi.Node.NodeUnpublishVolume, publication);

  await expect(calls.removeSnapshot(snapshot)).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
    details: expect.stringContaining('-second-view') as string,
  });
  await again.unstage();
  expect(mountsBelow(await readMounts(), driver.directory)).toEqual([]);
  await calls.remove(view);
  await calls.remove(view);
  await expect(calls.removeSnapshot(snapshot)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  await calls.remove(second);
  await calls.removeSnapshot(snapshot);
  await calls.remove(volume);
  await expect(createView('late', snapshot)).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test('a view goes on when its source is deleted, and can be made and mounted after that', async () => {
  const { volume, snapshot } = await createSource('mortal-source');
  const before = await createView('before', snapshot);
  const staged = await stageView(before, 'before');
  await calls.remove(volume);
  expect(await readFile(join(staged.path, 'a/b/file'), 'utf8')).toBe('before');

  const after = await createView('after', snapshot);
  const stagedAfter = await stageView(after, 'after');
  expect(await readFile(join(stagedAfter.path, 'a/b/file'), 'utf8')).toBe('before');

  await expect(calls.removeSnapshot(snapshot)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  await staged.unstage();
  await stagedAfter.unstage();
  await calls.remove(before);
  await calls.remove(after);
  await calls.removeSnapshot(snapshot);
  // A listing shows it for a moment more.
  await expect.poll(() => listSubvolumes(), { timeout: 60_000 }).not.toContain('csi-vol-mortal-source');
});

test('a mount that was interrupted between its two steps is completed', async () => {
  const { volume, snapshot } = await createSource('half-mounted');
  const view = await createView('half-view', snapshot);
  const { snapshot: shown, ...context } = view.volume_context;
  expect(shown).toContain('csi-snap-');
  // The first step alone: the subvolume, to be read only.
  await stageView({ ...view, volume_context: context }, 'half');
  const { path, unstage } = await stageView(view, 'half');
  expect(await readFile(join(path, 'a/b/file'), 'utf8')).toBe('before');
  await unstage();
  await calls.remove(view);
  await calls.removeSnapshot(snapshot);
  await calls.remove(volume);
});

test('of views and a deletion of their snapshot at the same moment, one wins', async () => {
  const { volume, snapshot } = await createSource('contended');
  for (let round = 0; round < 5; round += 1) {
    const taken = await calls.snapshot(`contended-${round}`, volume);
    const [made, removed] = await Promise.allSettled([
      createView(`contended-${round}`, taken),
      calls.removeSnapshot(taken),
    ]);
    if (made.status === 'fulfilled') {
      expect(removed).toMatchObject({ reason: { code: status.FAILED_PRECONDITION } });
      const { path, unstage } = await stageView(made.value, `contended-${round}`);
      expect(await readFile(join(path, 'a/b/file'), 'utf8')).toBe('after');
      await unstage();
      await calls.remove(made.value);
    } else {
      expect(made.reason).toMatchObject({ code: status.NOT_FOUND });
    }
    await calls.removeSnapshot(taken);
  }
  await calls.removeSnapshot(snapshot);
  await calls.remove(volume);
});

test('a view is refused for writers, and as a source of copies', async () => {
  const { volume, snapshot } = await createSource('plain');
  const view = await createView('no-source', snapshot);
  const refused = { code: status.INVALID_ARGUMENT };
  const writers = { ...wish, volume_capabilities: [mountCapability('MULTI_NODE_MULTI_WRITER')] };
  await expect(calls.create('writers', { ...writers, ...fromSnapshot(snapshot) })).rejects.toMatchObject(
    refused,
  );
  await expect(calls.create('copy-of-view', fromVolume(view))).rejects.toMatchObject(refused);
  await expect(calls.snapshot('snapshot-of-view', view)).rejects.toMatchObject(refused);
  const { condition, volume: known } = await driver.cephfs
    .call(csi.Controller.ControllerGetVolume, { volume_id: view.volume_id })
    .then(answer => ({ condition: answer.status?.volume_condition, volume: answer.volume }));
  expect({ condition: condition?.abnormal, id: known?.volume_id }).toEqual({
    condition: false,
    id: view.volume_id,
  });
  await calls.remove(view);
  await calls.removeSnapshot(snapshot);
  await calls.remove(volume);
});
