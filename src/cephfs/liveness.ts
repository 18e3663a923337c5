import type { Host } from '../mount/host.ts';
import type { Mount } from '../mount/mountinfo.ts';
import { runBounded } from '../mount/bounded-run.ts';

/** Milliseconds in which a mount has to answer. */
const LIMIT = 3_000;

/**
 * How a mount answers: `dead` is one whose daemon is gone or whose client was shut out, which no waiting heals;
 * `stuck` one that waits for the cluster.
 */
export type Liveness = 'alive' | 'stuck' | 'dead';

/** ENOTCONN of FUSE, ESHUTDOWN of a client that the cluster has shut out. */
const DEAD = /Transport endpoint is not connected|Cannot send after transport endpoint shutdown/;

/** Asks a mount whether it still answers; never waits longer than a few seconds. */
export async function probeMount(mount: Mount, host: Host): Promise<Liveness> {
  const command = { program: 'stat', args: ['--file-system', mount.path], timeout: LIMIT };
  const result = await runBounded(command, host);
  if (result === 'stuck') return 'stuck';
  return DEAD.test(result.stderr) ? 'dead' : 'alive';
}
