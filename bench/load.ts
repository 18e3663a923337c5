import { status } from '@grpc/grpc-js';
import type { Cost } from './cost.ts';
import { COPY_PAUSE, type Amount, type Operation } from './operation.ts';
import { createPatience } from './patience.ts';
import { readProcessTree, sumCpuSeconds } from './process-tree.ts';
import { createCalls, type Calls, type Source, type Target } from './target.ts';
import { measure, type Timing } from './timing.ts';

export interface LoadPlan extends Target, Omit<Amount, 'copies'> {
  /** Default: of all volumes. */
  readonly copies?: number;
  /** The driver's process, when it runs here. */
  readonly pid?: number;
  /** Of a driver of this project: what its calls have cost since this was asked last. */
  readonly takeCost?: () => Cost;
}

export interface OperationResult extends Timing {
  readonly operation: Operation;
  readonly concurrency: number;
  /** Calls that were repeated because the copy that they asked for was not complete yet; their time is that of all attempts. */
  readonly repeated?: number;
  /** Of the driver and its children. */
  readonly cpuSeconds?: number;
  readonly cost?: Cost;
}

type Tasks = readonly (() => Promise<void>)[];

/** The tasks of each operation over all volumes; each records what it made, for the operations that follow. */
function planTasks(
  calls: Calls,
  run: string,
  volumes: number,
  copies: number,
): Record<Operation, () => Tasks> {
  const made = {
    volumes: new Map<number, string>(),
    snapshots: new Map<number, string>(),
    copies: new Map<string, string>(),
  };
  const forEach = (count: number, task: (index: number) => Promise<void>) => () =>
    Array.from({ length: count }, (_, index) => () => task(index));
  const idOf = (ids: ReadonlyMap<number, string>, index: number): string => {
    const id = ids.get(index);
    if (id === undefined) throw new Error('what it needs could not be made');
    return id;
  };
  const create = async (index: number) => {
    made.volumes.set(index, await calls.createVolume(`load-${run}-${index}`));
  };
  const copy = async (name: string, source: Source) => {
    made.copies.set(name, await calls.createVolume(`load-${run}-${name}`, source));
  };
  return {
    create: forEach(volumes, create),
    'create again': forEach(volumes, create),
    snapshot: forEach(copies, async index => {
      const name = `load-${run}-snap-${index}`;
      made.snapshots.set(index, await calls.createSnapshot(name, idOf(made.volumes, index)));
    }),
    restore: forEach(copies, index => copy(`restore-${index}`, { snapshot: idOf(made.snapshots, index) })),
    clone: forEach(copies, index => copy(`clone-${index}`, { volume: idOf(made.volumes, index) })),
    expand: forEach(volumes, index => calls.expandVolume(idOf(made.volumes, index))),
    'delete snapshot': () => [...made.snapshots.values()].map(id => () => calls.deleteSnapshot(id)),
    delete: () => [...made.copies.values(), ...made.volumes.values()].map(id => () => calls.deleteVolume(id)),
  };
}

/** Runs the tasks of one operation, with an eye on what they cost the driver. */
async function observe(operation: Operation, tasks: Tasks, plan: LoadPlan): Promise<OperationResult> {
  const { concurrency, pid, takeCost } = plan;
  const patience = createPatience([status.ABORTED], COPY_PAUSE);
  const readCpu = async () => (pid === undefined ? 0 : sumCpuSeconds(await readProcessTree(pid)));
  takeCost?.();
  const before = await readCpu();
  const timing = await measure(
    tasks.map(task => () => patience.untilDone(task)),
    concurrency,
  );
  const cpuSeconds = (await readCpu()) - before;
  const cost = takeCost?.();
  const repeated = patience.repeated.get('ABORTED');
  return {
    operation,
    concurrency,
    ...timing,
    ...(repeated === undefined ? {} : { repeated }),
    ...(pid === undefined ? {} : { cpuSeconds }),
    ...(cost === undefined ? {} : { cost }),
  };
}

/**
 * Puts a load on a CSI controller: each operation over all volumes, `concurrency` calls at a time. What it makes,
 * it deletes, when `delete snapshot` and `delete` are among the operations.
 */
export async function runLoad(plan: LoadPlan): Promise<readonly OperationResult[]> {
  const { volumes, copies = volumes, concurrency } = plan;
  const calls = createCalls(plan);
  const run = `${process.pid}-${concurrency}-${Date.now().toString(36)}`;
  const tasks = planTasks(calls, run, volumes, Math.min(copies, volumes));
  const results: OperationResult[] = [];
  try {
    for (const operation of plan.operations) {
      results.push(await observe(operation, tasks[operation](), plan));
    }
  } finally {
    calls.close();
  }
  return results;
}
