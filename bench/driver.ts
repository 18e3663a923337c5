import type { Cost } from './cost.ts';
import { runLoad, type OperationResult } from './load.ts';
import type { Backend } from './operation.ts';
import { amountOf, type Options } from './options.ts';
import { readProcessTree } from './process-tree.ts';
import { formatMemory, formatResults, type MemorySample, type Series } from './report.ts';
import type { Target } from './target.ts';

/** A driver that runs. */
export interface Driver {
  readonly name: string;
  readonly backend: Backend;
  readonly target: Target;
  /** Its process, when it runs here. */
  readonly pid?: number;
  readonly takeCost?: () => Cost;
}

/** Prints a table, and below it why calls failed. */
export function printResults(results: readonly OperationResult[]): void {
  console.log(formatResults(results));
  for (const { operation, firstError } of results) {
    if (firstError !== undefined) console.log(`${operation}: ${firstError}`);
  }
}

/** Measures all operations at each level of concurrency, and prints what it sees. */
export async function measureDriver(driver: Driver, options: Options): Promise<Series> {
  const { name, backend, target, pid, takeCost } = driver;
  const results: OperationResult[] = [];
  const memory: MemorySample[] = [];
  async function sample(when: string): Promise<void> {
    if (pid === undefined) return;
    const taken = { when, processes: await readProcessTree(pid) };
    memory.push(taken);
    console.log(formatMemory(taken));
  }

  console.log(`\n${name}, ${backend}`);
  await sample('before');
  // The first call of a driver makes its connection to Ceph, which is no part of what the calls take.
  await runLoad({ ...target, volumes: 1, concurrency: 1, operations: ['create', 'delete'] });
  for (const concurrency of options.concurrencies) {
    const seen = await runLoad({
      ...target,
      ...amountOf(options, concurrency),
      ...(pid === undefined ? {} : { pid }),
      ...(takeCost === undefined ? {} : { takeCost }),
    });
    printResults(seen);
    results.push(...seen);
    await sample(`after ${concurrency} at a time`);
  }
  return { name, backend, results, memory };
}
