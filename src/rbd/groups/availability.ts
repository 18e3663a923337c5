import { canRestoreFromGroups } from '../../ceph/rbd-group.ts';
import type { Exec } from '../../exec/command.ts';
import type { Log } from '../../model/call.ts';

/**
 * Whether the `rbd` that is installed can do what group snapshots need: it is asked when somebody wants to know it first,
 * so that the start need not wait, and again only if that failed.
 */
export function createAvailability(exec: Exec, log: Log): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined;

  async function ask(): Promise<boolean> {
    try {
      // For all that want to know it, so it does not end with the call of one of them.
      return await canRestoreFromGroups(exec, { log, signal: new AbortController().signal });
    } catch (error) {
      answer = undefined;
      throw error;
    }
  }

  return () => (answer ??= ask());
}
