import { readImage, type ImageInfo, readImageById } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { flattenImage } from '../ceph/rbd-snapshot.ts';
import { DriverError } from '../model/errors.ts';
import type { Background } from './background.ts';

/** Above this many parents, a new volume is flattened in the background. */
export const COMFORTABLE_DEPTH = 4;
/** Kernel clients open at most 16 levels; this far no new level is added. */
export const DEEPEST = 12;

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
      const info = await readImage(session, ref);
      if (info?.parent === undefined || info.snapshotCount > 0) return;
      await flattenImage(session, ref);
      session.context.log.info({ image: imageSpec(ref) }, 'flattened a volume with a long chain of parents');
    } finally {
      running.delete(key);
      ended.resolve(undefined);
    }
  }

  return {
    add(session, ref) {
      background.start(`flattening ${imageSpec(ref)}`, context => {
        const job = queue.then(() => flatten({ ...session, context }, ref));
        queue = job.catch(() => undefined);
        return job;
      });
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
  };
}

/** How many parents an image really has above it: one process for each. */
export async function measureDepth(session: CephSession, image: ImageInfo): Promise<number> {
  let depth = 0;
  let above = image.parent;
  while (above !== undefined && depth <= DEEPEST) {
    depth += 1;
    above = (await readImageById(session, above))?.parent;
  }
  return depth;
}
