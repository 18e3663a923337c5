import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../model/errors.ts';
import { listPools } from './pool-list.ts';
import type { CephSession } from './rbd-session.ts';

/** Milliseconds that a write may take before its pools are looked at. */
const PATIENCE = 3_000;

/** A pool at its quota has both flags. */
const FLAGS = { full_quota: 'has reached its quota', full: 'has no space left' } as const;

/** Why nothing can be written to one of the pools, or undefined when all can be written to. */
export async function findFullPool(
  session: CephSession,
  names: readonly string[],
): Promise<string | undefined> {
  for (const pool of await listPools(session)) {
    if (!names.includes(pool.name)) continue;
    for (const [flag, meaning] of Object.entries(FLAGS)) {
      if (pool.flags.includes(flag)) return `pool "${pool.name}" is full: it ${meaning}`;
    }
  }
  return undefined;
}

/**
 * Aborts a write that waits for space, so that the caller learns why instead of running into its deadline.
 * @param ended aborted when the write is over.
 */
export function abortWhenFull(
  session: CephSession,
  pools: readonly string[],
  write: AbortController,
  ended: AbortSignal,
): void {
  const context = { ...session.context, signal: AbortSignal.any([session.context.signal, ended]) };
  sleep(PATIENCE, undefined, { signal: ended, ref: false })
    .then(() => findFullPool({ ...session, context }, pools))
    .then(reason => {
      if (reason !== undefined) write.abort(new DriverError('resource-exhausted', reason));
    })
    .catch((error: unknown) => {
      if (!ended.aborted) session.context.log.debug({ err: error }, 'the pools could not be looked at');
    });
}
