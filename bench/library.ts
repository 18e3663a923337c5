import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cluster } from '../dev/ceph/cluster.ts';
import type { OperationResult } from './load.ts';
import { COPY_PAUSE, type Amount, type Backend, type Operation } from './operation.ts';
import { summarize, type Observation } from './timing.ts';

/** The one that has Ceph's modules. */
const PYTHON = '/usr/bin/python3';
const PROGRAM = join(import.meta.dirname, 'library.py');
/** Where the driver makes its subvolumes, too. */
const SUBVOLUME_GROUP = 'csi';
/** Bytes of what it prints: a number for each call. */
const MAXIMUM_OUTPUT = 64 * 1024 ** 2;

/** Where it works, and as whom. */
function placeOf(backend: Backend, { pools, fsName, users }: Cluster): object {
  const { userId, key } = backend === 'rbd' ? users.rbdProvisioner : users.cephfsProvisioner;
  const place = backend === 'rbd' ? { pool: pools.replicated } : { fsName, group: SUBVOLUME_GROUP };
  return { ...place, userId, key };
}

/** The floor under every driver: the same operations, asked of Ceph's own libraries by as many threads. */
export async function measureLibrary(
  backend: Backend,
  cluster: Cluster,
  amount: Amount,
): Promise<readonly OperationResult[]> {
  const plan = {
    ...placeOf(backend, cluster),
    ...amount,
    monitors: cluster.monitors.join(','),
    run: `floor-${process.pid}-${amount.concurrency}-`,
    pause: COPY_PAUSE / 1000,
  };
  const running = promisify(execFile)(PYTHON, [PROGRAM], { maxBuffer: MAXIMUM_OUTPUT });
  // The key is in it: so it goes neither into the arguments nor onto the disk.
  running.child.stdin?.end(`${JSON.stringify(plan)}\n`);
  const { stdout } = await running;
  const seen = JSON.parse(stdout) as Record<Operation, Observation>;
  return Object.entries(seen).map(([operation, observation]) => ({
    operation: operation as Operation,
    concurrency: amount.concurrency,
    ...summarize(observation),
  }));
}
