import { listImages, listImagesAndSnapshots } from '../../ceph/rbd-image-list.ts';
import { poolSpec, type CephSession, type PoolRef } from '../../ceph/rbd-session.ts';
import { listSnapshots, removeSnapshot } from '../../ceph/rbd-snapshot.ts';
import { listTrash } from '../../ceph/rbd-trash.ts';
import type { Context } from '../../model/call.ts';
import { sweepGroups } from '../groups/membership.ts';
import { hasHeader, inspectImage, readMarkerById, type OnTrashed } from '../image-state.ts';
import { isTemporarySnapshot, isTombstone, mayBeTombstone } from '../marker.ts';
import { listOwnPools } from '../own-pools.ts';
import type { Sessions } from '../sessions.ts';
import type { CopyTools } from '../volume-copy.ts';
import { dropTombstone } from '../volume-deletion.ts';

/** Milliseconds between two sweeps: for volumes whose time in the trash is over. */
const INTERVAL = 10 * 60_000;

/** Finds in the pools what an earlier driver did not finish. */
export interface Sweeper {
  /** Sweeps a pool that the driver sees for the first time since its start. */
  visit(session: CephSession, ref: PoolRef): void;
  /** Sweeps the pools of the driver's own users, now and then again. */
  start(): void;
}

/**
 * Deleted volumes in the trash. It may hold others', too: only an image with this driver's marker is touched, and an entry
 * without an image, which is what a killed removal leaves last.
 */
async function sweepTrash(session: CephSession, ref: PoolRef, onTrashed: OnTrashed): Promise<void> {
  for (const { imageId } of await listTrash(session, ref)) {
    const image = { ...ref, imageId };
    const isOwn = (await readMarkerById(session, image)) !== undefined;
    if (isOwn || !(await hasHeader(session, image))) onTrashed(session, image);
  }
}

/** Deleted volumes whose last snapshot went when the driver was ended. */
async function sweepTombstones(session: CephSession, ref: PoolRef, onTrashed: OnTrashed): Promise<void> {
  const names = (await listImages(session, ref)).filter(mayBeTombstone);
  for (const name of names) {
    const image = { ...ref, image: name };
    const state = await inspectImage(session, image);
    if (state.kind === 'volume' && isTombstone(state.info)) {
      await dropTombstone(session, image, state, onTrashed);
    }
  }
}

/** Snapshots that were only needed while a volume was cloned. */
async function sweepTemporarySnapshots(session: CephSession, ref: PoolRef): Promise<void> {
  const { snapshots } = await listImagesAndSnapshots(session, ref);
  for (const { image, snapshot } of snapshots.filter(listed => isTemporarySnapshot(listed.snapshot))) {
    const state = await inspectImage(session, { ...ref, image });
    if (state.kind !== 'volume') continue;
    const source = { ...ref, imageId: state.info.imageId };
    const found = (await listSnapshots(session, source))?.find(({ name }) => name === snapshot);
    if (found !== undefined) await removeSnapshot(session, source, { number: found.number });
  }
}

export function createSweeper(sessions: Sessions, { background, flattener, onTrashed }: CopyTools): Sweeper {
  const visited = new Set<string>();

  function sweep(session: CephSession, ref: PoolRef): void {
    background.start(`sweeping pool ${poolSpec(ref)}`, async own => {
      const quiet = { ...session, context: own };
      await sweepTrash(quiet, ref, onTrashed);
      await sweepTombstones(quiet, ref, onTrashed);
      await flattener.resume(quiet, ref);
    });
  }

  function visit(session: CephSession, ref: PoolRef): void {
    const key = `${session.connection.monitors.join()} ${poolSpec(ref)}`;
    if (visited.has(key)) return;
    visited.add(key);
    sweep(session, ref);
  }

  async function sweepAll(own: Context, isFirst: boolean): Promise<void> {
    for (const { session, ref } of await listOwnPools(sessions, own)) {
      visited.add(`${session.connection.monitors.join()} ${poolSpec(ref)}`);
      sweep(session, ref);
      if (!isFirst) continue;
      await sweepTemporarySnapshots(session, ref);
      await sweepGroups(session, ref);
    }
  }

  return {
    visit,
    start() {
      background.start('the first sweep', own => sweepAll(own, true));
      setInterval(() => {
        background.start('a sweep', own => sweepAll(own, false));
      }, INTERVAL).unref();
    },
  };
}
