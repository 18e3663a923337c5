import type { Context, Log } from '../../model/call.ts';

/** Work that goes on after the answer. Whatever it is, Ceph's own state says what remains when it was cut short. */
export interface Background {
  /** @param what for the log, when the task fails. */
  start(what: string, task: (context: Context) => Promise<void>): void;
  /** Resolves when all that was started has ended; what is started from then on does not run. */
  drain(): Promise<void>;
}

export function createBackground(log: Log): Background {
  const running = new Set<Promise<void>>();
  const stop = new AbortController();

  return {
    start(what, task) {
      if (stop.signal.aborted) return;
      const job = Promise.resolve()
        .then(() => task({ log, signal: stop.signal }))
        .catch((error: unknown) => {
          if (!stop.signal.aborted)
            log.warn({ err: error }, `${what} failed, and is tried again another time`);
        })
        .finally(() => running.delete(job));
      running.add(job);
    },
    async drain() {
      stop.abort();
      await Promise.all(running);
    },
  };
}
