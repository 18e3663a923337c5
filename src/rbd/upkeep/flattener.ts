import { readImageById, type ImageInfo } from '../../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef, type PoolRef } from '../../ceph/rbd-session.ts';
import { flattenImage } from '../../ceph/rbd-snapshot.ts';
import { DriverError } from '../../model/errors.ts';
import type { Background } from './background.ts';
import { forgetFlattening, listInterrupted, noteFlattening } from './flattening-journal.ts';
import { inspectImage } from '../image-state.ts';

/**
 * Flattens volumes whose chain of parents has become long. Only an image without snapshots: its clones' clients do not
 * notice that the parent of their parent has gone. So making a snapshot of an image and flattening it exclude each other.
 */
export interface Flattener {
  /** Flattens the image some time, unless it has snapshots by then. */
  add(session: CephSession, ref: ImageRef): void;
  /** Runs what makes a snapshot of the image or clones it: after a flattening that runs, and before the next one. */
  whileUnflattened<T>(session: CephSession, ref: ImageRef, action: () => Promise<T>): Promise<T>;
  isFlattening(session: CephSession, ref: ImageRef): boolean;
  /** How many images are being flattened or wait for it. */
  countPending(): number;
  /** Goes on with what an earlier driver did not finish. */
  resume(session: CephSession, ref: PoolRef): Promise<void>;
}

function keyOf({ connection }: CephSession, ref: ImageRef): string {
  return `${connection.monitors.join()} ${imageSpec(ref)}`;
}

async function waitFor(work: Promise<void>, ref: ImageRef, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () =>
    aborted.reject(
      new DriverError(
        'aborted',
        `image ${imageSpec(ref)} is being flattened, since its chain of parents is long`,
      ),
    );
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

export function createFlattener(background: Background): Flattener {
  const queued = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const holders = new Map<string, number>();
  /** One at a time: a flattening reads and writes as fast as the cluster can. */
  let queue = Promise.resolve();

  async function flatten(session: CephSession, ref: ImageRef): Promise<void> {
    const key = keyOf(session, ref);
    if (holders.has(key)) return;
    const ended = Promise.withResolvers<undefined>();
    running.set(key, ended.promise);
    try {
      // Not an image that is being made, nor one that somebody else has cloned.
      const state = await inspectImage(session, ref);
      if (state.kind !== 'volume') return;
      const { info } = state;
      if (info.parent === undefined || info.snapshotCount > 0) return;
      await noteFlattening(session, ref, info.imageId);
      await flattenImage(session, ref);
      await forgetFlattening(session, { ...ref, imageId: info.imageId });
      session.context.log.info({ image: imageSpec(ref) }, 'flattened a volume with a long chain of parents');
    } finally {
      running.delete(key);
      ended.resolve(undefined);
    }
  }

  function add(session: CephSession, ref: ImageRef): void {
    const key = keyOf(session, ref);
    if (queued.has(key)) return;
    queued.add(key);
    background.start(`flattening ${imageSpec(ref)}`, context => {
      const job = queue.then(() => {
        queued.delete(key);
        return flatten({ ...session, context }, ref);
      });
      queue = job.catch(() => undefined);
      return job;
    });
  }

  return {
    add,
    async resume(session, ref) {
      for (const image of await listInterrupted(session, ref)) add(session, image);
    },
    async whileUnflattened(session, ref, action) {
      const key = keyOf(session, ref);
      for (let work = running.get(key); work !== undefined; work = running.get(key)) {
        await waitFor(work, ref, session.context.signal);
      }
      holders.set(key, (holders.get(key) ?? 0) + 1);
      try {
        return await action();
      } finally {
        const left = (holders.get(key) ?? 1) - 1;
        if (left === 0) holders.delete(key);
        else holders.set(key, left);
      }
    },
    isFlattening: (session, ref) => running.has(keyOf(session, ref)),
    countPending: () => queued.size + running.size,
  };
}

/** How many parents an image really has above it, up to one more than `most`: one process for each. */
export async function measureDepth(session: CephSession, image: ImageInfo, most: number): Promise<number> {
  let depth = 0;
  let above = image.parent;
  while (above !== undefined && depth <= most) {
    depth += 1;
    above = (await readImageById(session, above))?.parent;
  }
  return depth;
}
