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
/** EACCES, to root, is what the kernel's client says of all files when it was shut out, while it still tells its sizes. */
const DEAD_IN_KERNEL = 'Permission denied';

/** Asks a mount whether it still answers; never waits longer than a few seconds. */
export async function probeMount(mount: Mount, host: Host): Promise<Liveness> {
  const isKernel = mount.fsType === 'ceph';
  const args = [isKernel ? '--cached=never' : '--file-system', mount.path];
  const result = await runBounded({ program: 'stat', args, timeout: LIMIT }, host);
  if (result === 'stuck') return 'stuck';
  const isDead = DEAD.test(result.stderr) || (isKernel && result.stderr.includes(DEAD_IN_KERNEL));
  return isDead ? 'dead' : 'alive';
}
