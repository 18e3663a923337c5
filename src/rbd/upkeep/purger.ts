import { setTimeout as sleep } from 'node:timers/promises';
import { poolSpec, type CephSession, type ImageIdRef } from '../../ceph/rbd-session.ts';
import { moveToTrash, listTrash, removeFromTrash, type TrashRemoval } from '../../ceph/rbd-trash.ts';
import type { Log } from '../../model/call.ts';

export interface Purger {
  /** Removes an image that is in the trash, some time. Asking twice is the same as once. */
  add(session: CephSession, ref: ImageIdRef): void;
  /** How many images it has been given that are still there. */
  countPending(): number;
  /** Starts nothing more, and resolves when what runs has ended. */
  drain(): Promise<void>;
}

const CONCURRENCY = 4;
/** Milliseconds between two attempts: at first, and at most. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 60_000;

interface Job {
  readonly session: CephSession;
  readonly ref: ImageIdRef;
  delay: number;
}

function keyOf({ connection }: CephSession, ref: ImageIdRef): string {
  return `${connection.monitors.join()} ${poolSpec(ref)}/${ref.imageId}`;
}

/** `rbd trash rm` refuses an image whose move to the trash was killed; moving it again finishes that. */
async function finishMove(session: CephSession, ref: ImageIdRef): Promise<void> {
  const entry = (await listTrash(session, ref)).find(({ imageId }) => imageId === ref.imageId);
  if (entry !== undefined) await moveToTrash(session, { ...ref, image: entry.name });
}

/**
 * Removes deleted volumes in the background. An image that is busy is tried again, ever more slowly; when another one
 * has gone, the first few are at once, since that one may have been their clone. The trash itself is the list of what remains to be done:
 * a driver that starts anew reads it.
 */
export function createPurger(log: Log): Purger {
  const known = new Set<string>();
  const ready: Job[] = [];
  const waiting = new Set<{ readonly job: Job; readonly wake: AbortController }>();
  const running = new Set<Promise<void>>();
  const stop = new AbortController();

  function retryLater(job: Job): void {
    const entry = { job, wake: new AbortController() };
    waiting.add(entry);
    const signal = AbortSignal.any([entry.wake.signal, stop.signal]);
    void sleep(job.delay, undefined, { signal, ref: false })
      .catch(() => undefined)
      .then(() => {
        waiting.delete(entry);
        if (stop.signal.aborted) return;
        ready.push(job);
        startReady();
      });
    job.delay = Math.min(job.delay * 2, LONGEST_DELAY);
  }

  async function attempt({ session, ref }: Job): Promise<TrashRemoval> {
    const background = { ...session, context: { log, signal: new AbortController().signal } };
    const outcome = await removeFromTrash(background, ref);
    if (outcome === 'unfinished') await finishMove(background, ref);
    return outcome;
  }

  function settle(job: Job, outcome: TrashRemoval): void {
    const fields = { pool: poolSpec(job.ref), imageId: job.ref.imageId };
    if (outcome === 'busy' || outcome === 'unfinished') {
      log.debug(fields, `a deleted volume is ${outcome}, and is tried again`);
      retryLater(job);
      return;
    }
    known.delete(keyOf(job.session, job.ref));
    if (outcome === 'retained') return;
    log.info({ ...fields, remaining: known.size }, 'purged a deleted volume');
    for (const { job: other, wake } of [...waiting].slice(0, CONCURRENCY)) {
      other.delay = FIRST_DELAY;
      wake.abort();
    }
  }

  async function run(job: Job): Promise<void> {
    try {
      settle(job, await attempt(job));
    } catch (error) {
      log.warn(
        { err: error, imageId: job.ref.imageId },
        'a deleted volume could not be purged, and is tried again',
      );
      retryLater(job);
    }
  }

  function startReady(): void {
    while (running.size < CONCURRENCY && !stop.signal.aborted) {
      const job = ready.shift();
      if (job === undefined) return;
      const task = run(job).finally(() => {
        running.delete(task);
        startReady();
      });
      running.add(task);
    }
  }

  return {
    add(session, ref) {
      const key = keyOf(session, ref);
      if (known.has(key)) return;
      known.add(key);
      ready.push({ session, ref, delay: FIRST_DELAY });
      startReady();
    },
    countPending: () => known.size,
    async drain() {
      stop.abort();
      await Promise.all(running);
    },
  };
}
