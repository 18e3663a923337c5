import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  isObjectThere,
  listOmapKeys,
  readObject,
  readOmapValue,
  removeOmapKey,
  writeOmapValue,
} from '../../src/ceph/rados-object.ts';
import { listPools, readPoolSpace } from '../../src/ceph/pool-list.ts';
import {
  metadataKeyOf,
  readImageConfig,
  removeImageConfig,
  setImageConfig,
} from '../../src/ceph/rbd-config.ts';
import type { ImageLayout } from '../../src/ceph/rbd-export-stream.ts';
import {
  createImage,
  growImage,
  listWatchers,
  readImage,
  readImageById,
  readOwnBytes,
  removeImage,
  renameImage,
} from '../../src/ceph/rbd-image.ts';
import { listImages, listImagesAndSnapshots } from '../../src/ceph/rbd-image-list.ts';
import { viewImage } from '../../src/ceph/rbd-image-view.ts';
import {
  listMetadata,
  readMetadata,
  removeMetadata,
  writeMetadata,
  writeNewMetadata,
} from '../../src/ceph/rbd-metadata.ts';
import type { CephSession, ImageRef, PoolRef } from '../../src/ceph/rbd-session.ts';
import {
  cloneSnapshot,
  createSnapshot,
  listClones,
  listSnapshots,
  removeSnapshot,
} from '../../src/ceph/rbd-snapshot.ts';
import { listTrash, moveToTrash, removeFromTrash } from '../../src/ceph/rbd-trash.ts';
import { createSessionServers } from '../../src/ceph/session-servers.ts';
import { createExec } from '../../src/exec/run.ts';
import { startLineServer, type LineServer } from '../../src/exec/line-server.ts';
import { MIB } from '../../src/model/bytes.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { createTestContext } from '../exec/fake-exec.ts';
import { cluster, rados, rbd, withHangingOsds } from './harness/cluster.ts';
import { listClusterContent } from './harness/leaks.ts';

const NAMESPACE = 'session';
const place: PoolRef = { pool: cluster.pools.replicated, namespace: NAMESPACE };
const missingPlaces: readonly PoolRef[] = [
  { pool: 'no-such-pool' },
  { pool: cluster.pools.replicated, namespace: 'no-such-namespace' },
];
const image = (name: string): ImageRef => ({ ...place, image: name });
const { userId, key } = cluster.users.rbdProvisioner;
const connection = { monitors: cluster.monitors, userId, key: new Secret(key) };
const context = createTestContext({ signal: AbortSignal.timeout(900_000) });

const byProcess: CephSession = { exec: createExec(), connection, context };
const bySession: CephSession = {
  ...byProcess,
  servers: createSessionServers(startLineServer, { isRequired: true }),
};

const layout: Omit<ImageLayout, 'sizeBytes'> = {
  order: 22,
  features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
  stripeUnit: 4n * MIB,
  stripeCount: 1n,
};

/** What came of an attempt, in a form that can be compared. */
async function outcomeOf<T>(attempt: Promise<T>): Promise<{ value: T } | { kind: string }> {
  try {
    return { value: await attempt };
  } catch (error) {
    if (error instanceof DriverError) return { kind: error.kind };
    throw error;
  }
}

/** Asks in both ways; resolves to the answer, which has to be the same. */
async function askBoth<T>(ask: (session: CephSession) => Promise<T>) {
  const expected = await outcomeOf(ask(byProcess));
  expect(await outcomeOf(ask(bySession))).toEqual(expected);
  return expected;
}

/** Does something in both ways, each with things of its own; resolves to what came of it, which has to be the same. */
async function doBoth<T>(work: (session: CephSession, prefix: string) => Promise<T>) {
  const expected = await outcomeOf(work(byProcess, 'process'));
  expect(await outcomeOf(work(bySession, 'session'))).toEqual(expected);
  return expected;
}

let before: readonly string[] = [];

beforeAll(async () => {
  before = await listClusterContent();
  await rbd('namespace', 'create', '--pool', place.pool, '--namespace', NAMESPACE);
});

afterAll(async () => {
  await rbd('namespace', 'remove', '--pool', place.pool, '--namespace', NAMESPACE);
  expect((await listClusterContent()).filter(item => !before.includes(item))).toEqual([]);
});

async function create(session: CephSession, ref: ImageRef, changes: Partial<ImageLayout> = {}) {
  const metadata = new Map([
    ['a', 'first'],
    ['z', 'last'],
  ]);
  return await createImage(session, ref, { ...layout, sizeBytes: 64n * MIB, ...changes, metadata });
}

describe('an operation over a lasting connection gives what a process gives', () => {
  it('about images', async () => {
    const ref = image('one');
    await create(byProcess, ref);
    expect(await askBoth(session => readImage(session, ref))).toMatchObject({ value: { name: 'one' } });
    const imageId = (await readImage(bySession, ref))?.imageId ?? '';
    await askBoth(session => readImageById(session, { ...place, imageId }));
    await askBoth(session => readOwnBytes(session, ref));
    await askBoth(session => listWatchers(session, ref));
    for (const name of ['z', 'none']) {
      const view = await askBoth(session => viewImage(session, ref, { key: name, watchers: false }));
      // Not compared: programs that run side by side may see each other watch.
      const full = outcomeOf(viewImage(bySession, ref, { key: name, watchers: true }));
      expect(await full).toEqual(view);
    }
    expect(await askBoth(session => listImages(session, place))).toEqual({ value: ['one'] });
    await askBoth(session => listImagesAndSnapshots(session, place));
    await removeImage(bySession, ref);
  });

  it('about what is not there', async () => {
    const ref = image('none');
    const byId = { ...place, imageId: '123456789abc' };
    const questions: readonly ((session: CephSession) => Promise<unknown>)[] = [
      session => readImage(session, ref),
      session => readImageById(session, byId),
      session => viewImage(session, ref, { key: 'z', watchers: true }),
      session => listWatchers(session, ref),
      session => readMetadata(session, ref, 'z'),
      session => listMetadata(session, ref),
      session => writeMetadata(session, ref, 'z', 'x'),
      session => removeMetadata(session, ref, 'z'),
      session => readOwnBytes(session, ref),
      session => growImage(session, ref, MIB),
      session => renameImage(session, ref, 'other'),
      session => removeImage(session, ref),
      session => listSnapshots(session, byId),
      session => createSnapshot(session, ref, 's'),
      session => removeSnapshot(session, byId, { name: 's' }),
      session => removeSnapshot(session, byId, { number: 1n }),
      session => cloneSnapshot(session, ref, 's', image('clone'), layout),
      session => listClones(session, ref),
      session => moveToTrash(session, ref),
      session => removeFromTrash(session, byId),
      session => readObject(session, place, 'none'),
      session => isObjectThere(session, place, 'none'),
      session => readOmapValue(session, place, 'none', 'key'),
      session => listOmapKeys(session, place, 'none'),
      session => removeOmapKey(session, place, 'none', 'key'),
    ];
    for (const question of questions) await askBoth(question);
  });

  it('about pools and namespaces that are not there', async () => {
    for (const missing of missingPlaces) {
      const ref = { ...missing, image: 'any' };
      expect(await askBoth(session => readImage(session, ref))).toEqual({ kind: 'not-found' });
      expect(await askBoth(session => listImages(session, missing))).toEqual({ kind: 'not-found' });
      expect(await askBoth(session => listTrash(session, missing))).toEqual({ kind: 'not-found' });
      expect(await askBoth(session => moveToTrash(session, ref))).toEqual({ kind: 'not-found' });
      expect(await askBoth(session => create(session, ref))).toEqual({ kind: 'invalid-argument' });
    }
    const elsewhere = (session: CephSession) =>
      createImage(session, image('x'), {
        ...layout,
        sizeBytes: MIB,
        dataPool: 'no-such-pool',
        metadata: new Map(),
      });
    expect(await askBoth(elsewhere)).toEqual({ kind: 'invalid-argument' });
  });

  it('when an image is made, changed, and removed', async () => {
    await doBoth(async (session, prefix) => {
      const ref = image(`${prefix}-image`);
      const other = image(`${prefix}-other`);
      const seen: unknown[] = [
        await create(session, ref, { order: 20, stripeUnit: 65_536n, stripeCount: 4n }),
        await create(session, ref),
        await create(session, other),
      ];
      await growImage(session, ref, 128n * MIB);
      await writeMetadata(session, ref, 'b', 'ü "quoted"');
      await writeNewMetadata(
        session,
        ref,
        new Map([
          ['c', '1'],
          ['d', '2'],
        ]),
      );
      await removeMetadata(session, ref, 'a');
      await removeMetadata(session, ref, 'a');
      await setImageConfig(session, ref, 'rbd_qos_iops_limit', '100');
      seen.push(await outcomeOf(setImageConfig(session, ref, 'no_such_option', '1')));
      seen.push(await listMetadata(byProcess, ref), await readMetadata(session, ref, 'b'));
      seen.push(await readImageConfig(session, ref));
      await removeImageConfig(session, ref, 'rbd_qos_iops_limit');
      seen.push(await readMetadata(session, ref, metadataKeyOf('rbd_qos_iops_limit')));
      const { name, imageId, createdAt, ...info } = (await readImage(byProcess, ref)) ?? {};
      seen.push(
        info,
        [name, imageId, createdAt].map(value => typeof value),
      );
      seen.push(await outcomeOf(renameImage(session, ref, other.image)));
      await renameImage(session, ref, `${prefix}-renamed`);
      await removeImage(session, image(`${prefix}-renamed`));
      await removeImage(session, other);
      return seen;
    });
  });

  it('when there are snapshots and clones, and things go to the trash', async () => {
    await doBoth(async (session, prefix) => {
      const ref = image(`${prefix}-parent`);
      const clone = image(`${prefix}-clone`);
      await create(session, ref);
      const imageId = (await readImage(session, ref))?.imageId ?? '';
      const byId = { ...place, imageId };
      const seen: unknown[] = [
        await createSnapshot(session, ref, 's'),
        await createSnapshot(session, ref, 's'),
      ];
      await createSnapshot(session, ref, 't');
      const dataPool = cluster.pools.erasureCoded;
      const striped = { ...layout, order: 20, stripeUnit: 65_536n, stripeCount: 2n };
      seen.push(await cloneSnapshot(session, ref, 's', clone, { ...striped, dataPool }));
      seen.push(await cloneSnapshot(session, ref, 's', clone, layout));
      seen.push(await cloneSnapshot(session, ref, 'none', image('x'), layout));
      const info = await readImage(session, clone);
      expect(await readImage(byProcess, clone)).toEqual(info);
      seen.push(info?.features, await listMetadata(session, clone));
      expect(await listClones(session, ref)).toEqual([clone]);
      seen.push(await outcomeOf(removeImage(session, ref)));
      await removeSnapshot(session, byId, { name: 't' });
      await removeSnapshot(session, byId, { name: 't' });
      const [first] = (await listSnapshots(session, byId)) ?? [];
      await removeSnapshot(session, byId, { number: first?.number ?? 0n });
      expect(await listSnapshots(bySession, byId)).toEqual(await listSnapshots(byProcess, byId));
      seen.push((await listSnapshots(session, byId))?.map(({ kind, sizeBytes }) => ({ kind, sizeBytes })));
      seen.push(await moveToTrash(session, ref), await moveToTrash(session, ref));
      await askBoth(listing => listTrash(listing, place));
      await askBoth(reading => readImageById(reading, byId));
      seen.push(await removeFromTrash(session, byId));
      const cloneId = { ...place, imageId: info?.imageId ?? '' };
      seen.push(await moveToTrash(session, clone, new Date(Date.now() + 3_600_000)));
      seen.push(await removeFromTrash(session, cloneId));
      await rbd('trash', 'rm', '--force', `${place.pool}/${NAMESPACE}/${cloneId.imageId}`);
      seen.push(await removeFromTrash(session, byId), await removeFromTrash(session, byId));
      return seen;
    });
  });

  it('about objects', async () => {
    await doBoth(async (session, prefix) => {
      const object = `${prefix}-object`;
      const keys = Array.from({ length: 3 }, (_, index) => `key-${index}`);
      for (const name of keys) await writeOmapValue(session, place, object, name, `${name}: "ü"`);
      const seen: unknown[] = [
        await readOmapValue(session, place, object, 'key-1'),
        await readOmapValue(session, place, object, 'none'),
        await listOmapKeys(session, place, object),
        await isObjectThere(session, place, object),
        await readObject(session, place, object),
      ];
      for (const name of [...keys, 'none']) await removeOmapKey(session, place, object, name);
      seen.push(await listOmapKeys(session, place, object));
      await rados('--pool', place.pool, '--namespace', NAMESPACE, 'rm', object);
      return seen;
    });
    await create(byProcess, image('named'));
    await askBoth(session => readObject(session, place, 'rbd_id.named'));
    await removeImage(byProcess, image('named'));
  });

  it('about objects that are not there, to a user who may not ask for images', async () => {
    const { userId: otherId, key: otherKey } = cluster.users.cephfsProvisioner;
    const other = { ...connection, userId: otherId, key: new Secret(otherKey) };
    const namespace = { pool: `${cluster.fsName}.meta`, namespace: 'csi-driver-ceph' };
    const ask = (session: CephSession) =>
      readOmapValue({ ...session, connection: other }, namespace, 'none', 'key');
    expect(await askBoth(ask)).toEqual({ value: undefined });
  });

  it('about pools', async () => {
    await askBoth(listPools);
    await askBoth(async session => [...(await readPoolSpace(session)).keys()]);
  });

  it('about a user without capabilities, a wrong key, an unknown user, and monitors that are away', async () => {
    const reader = { ...connection, userId: cluster.users.cephfsNode.userId };
    const attempts = [
      { ...reader, key: new Secret(cluster.users.cephfsNode.key) },
      { ...connection, key: new Secret('AQBSdFhkAAAAABAAm0jV1ZbPYEsVbGXJcRhpRA==') },
      { ...connection, key: new Secret('no key') },
      { ...connection, userId: 'nobody' },
      { ...connection, monitors: ['127.0.0.1:9'] },
    ];
    for (const other of attempts) {
      await askBoth(session => readImage({ ...session, connection: other }, image('any')));
    }
  });
});

/** A session whose servers a test can kill. */
function createFragileSession(): { session: CephSession; started: readonly LineServer[] } {
  const started: LineServer[] = [];
  const servers = createSessionServers(command => {
    const server = startLineServer(command);
    started.push(server);
    return server;
  });
  return { session: { ...byProcess, servers }, started };
}

describe('a lasting connection', () => {
  it('carries many operations at a time', async () => {
    const { session, started } = createFragileSession();
    const refs = Array.from({ length: 100 }, (_, index) => image(`many-${index}`));
    expect(new Set(await Promise.all(refs.map(ref => create(session, ref))))).toEqual(new Set(['created']));
    await Promise.all(refs.map(ref => growImage(session, ref, 128n * MIB)));
    const infos = await Promise.all(refs.map(ref => readImage(session, ref)));
    expect(infos.map(info => info?.name)).toEqual(refs.map(ref => ref.image));
    expect(new Set(infos.map(info => info?.sizeBytes))).toEqual(new Set([128n * MIB]));
    expect((await listImages(session, place)).length).toBe(refs.length);
    await Promise.all(refs.map(ref => removeImage(session, ref)));
    expect(await listImages(session, place)).toEqual([]);
    expect(started).toHaveLength(1);
  });

  it('that breaks is made anew: processes go on with reading, and a change is left to the caller', async () => {
    const { session, started } = createFragileSession();
    const write = () => writeOmapValue(session, place, 'twice', 'key', 'value');
    await create(session, image('kept'));
    const outcomes = await withHangingOsds(async () => {
      const running = [outcomeOf(readImage(session, image('kept'))), outcomeOf(write())];
      started[0]?.kill();
      await expect(running[1]).resolves.toEqual({ kind: 'unavailable' });
      return running;
    });
    expect(await outcomes[0]).toMatchObject({ value: { name: 'kept' } });
    await write();
    await rados('--pool', place.pool, '--namespace', NAMESPACE, 'rm', 'twice');
    await removeImage(session, image('kept'));
    expect(started).toHaveLength(2);
  });

  it('is left by who reads, and not by who changes something', async () => {
    const { session, started } = createFragileSession();
    await create(session, image('kept'));
    const caller = new AbortController();
    const called = { ...session, context: { ...context, signal: caller.signal } };
    const changing = await withHangingOsds(async () => {
      const reading = outcomeOf(readImage(called, image('kept')));
      const changes = [outcomeOf(growImage(called, image('kept'), 128n * MIB))];
      caller.abort(new DriverError('deadline-exceeded', 'the call is over'));
      await expect(reading).resolves.toEqual({ kind: 'deadline-exceeded' });
      return changes;
    });
    expect(await changing[0]).toEqual({ value: undefined });
    expect((await readImage(session, image('kept')))?.sizeBytes).toBe(128n * MIB);
    await removeImage(session, image('kept'));
    expect(started).toHaveLength(1);
  });
});
