import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that a step may take on a machine that is busy with other things. */
const PATIENCE = 300_000;

type Attempt<T> = () => T | undefined | false | Promise<T | undefined | false>;

/**
 * Repeats an attempt until it gives something, and resolves to that.
 * @param milliseconds how long to try at most; the last error is the cause of the one that is thrown then.
 */
export async function waitFor<T>(what: string, attempt: Attempt<T>, milliseconds = PATIENCE): Promise<T> {
  const end = Date.now() + milliseconds;
  let last: unknown;
  do {
    try {
      const found = await attempt();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(200);
  } while (Date.now() < end);
  throw new Error(`waited ${milliseconds / 1000} s in vain for: ${what}`, { cause: last });
}
