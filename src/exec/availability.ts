import type { Context, Log } from '../model/call.ts';
import type { Exec } from './command.ts';

/**
 * Whether the programs that are installed can do something: they are asked when somebody wants to know it first, so that the
 * start need not wait, and again only if that failed.
 */
export function createAvailability(
  isAvailable: (exec: Exec, context: Context) => Promise<boolean>,
  exec: Exec,
  log: Log,
): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined;

  async function ask(): Promise<boolean> {
    try {
      // For all that want to know it, so it does not end with the call of one of them.
      return await isAvailable(exec, { log, signal: new AbortController().signal });
    } catch (error) {
      answer = undefined;
      throw error;
    }
  }

  return () => (answer ??= ask());
}
