import type { Cluster } from '../dev/ceph/cluster.ts';
import { runAsAdmin } from '../dev/ceph/program.ts';
import type { OperationResult } from './load.ts';
import type { Amount, Backend, Operation } from './operation.ts';
import { measure } from './timing.ts';

/** A program and its arguments. */
type Command = readonly [program: string, ...args: string[]];

/** The operations that one command can do, and its words for a volume of this name. */
function commandsOf(
  backend: Backend,
  { pools, fsName }: Cluster,
): Partial<Record<Operation, (name: string) => Command>> {
  if (backend === 'rbd') {
    const pool = ['--pool', pools.replicated];
    return {
      create: name => ['rbd', 'create', ...pool, '--size', '1G', name],
      'create again': name => ['rbd', 'info', ...pool, name],
      expand: name => ['rbd', 'resize', ...pool, '--size', '2G', '--no-progress', name],
      delete: name => ['rbd', 'rm', ...pool, '--no-progress', name],
    };
  }
  const subvolume = ['ceph', 'fs', 'subvolume'] as const;
  return {
    create: name => [...subvolume, 'create', fsName, name, String(1024 ** 3)],
    'create again': name => [...subvolume, 'info', fsName, name],
    expand: name => [...subvolume, 'resize', fsName, name, String(2 * 1024 ** 3)],
    delete: name => [...subvolume, 'rm', fsName, name],
  };
}

/** What one `rbd` or `ceph` takes for it: the floor under a driver that starts programs. */
export async function measureProgram(
  backend: Backend,
  cluster: Cluster,
  { copies, concurrency, operations }: Amount,
): Promise<readonly OperationResult[]> {
  const results: OperationResult[] = [];
  const commands = commandsOf(backend, cluster);
  for (const operation of operations) {
    const command = commands[operation];
    if (command === undefined) continue;
    // Few of them: they take long.
    const tasks = Array.from({ length: copies }, (_, index) => async () => {
      const [program, ...args] = command(`floor-${process.pid}-${index}`);
      await runAsAdmin(cluster, program, args);
    });
    const timing = await measure(tasks, concurrency);
    results.push({ operation, concurrency, ...timing });
  }
  return results;
}
