import type { Command, CommandResult } from '../exec/command.ts';
import type { Host } from './host.ts';
import { isErrorOfKind } from '../model/errors.ts';

/** Milliseconds past its timeout in which a program that can be ended has ended. */
const GRACE = 3_000;

/**
 * Runs a program that asks something of a file system which may be stuck, and resolves within its timeout (and
 * 3 s), come what may: a process that waits for such a file system in the kernel cannot be killed, and `exec`
 * resolves only when it is gone. `onEnd` is called when it is, at last.
 */
export async function runBounded(
  command: Command,
  host: Host,
  onEnd?: () => void,
): Promise<CommandResult | 'stuck'> {
  const { promise: limit, resolve } = Promise.withResolvers<'stuck'>();
  const timer = setTimeout(() => resolve('stuck'), command.timeout + GRACE);
  const run = host
    .exec(command, host.context)
    .catch((error: unknown) => {
      if (isErrorOfKind(error, 'deadline-exceeded') && !host.context.signal.aborted) return 'stuck' as const;
      throw error;
    })
    .finally(onEnd);
  try {
    return await Promise.race([run, limit]);
  } finally {
    clearTimeout(timer);
  }
}
