import type { OperationResult } from './load.ts';
import type { Backend } from './operation.ts';
import type { ProcessUse } from './process-tree.ts';

/** What a driver held at one moment, with its children. */
export interface MemorySample {
  readonly when: string;
  readonly processes: readonly ProcessUse[];
}

/** All that was measured of one driver, or of a floor, with one backend. */
export interface Series {
  readonly name: string;
  readonly backend: Backend;
  readonly results: readonly OperationResult[];
  readonly memory: readonly MemorySample[];
}

/** The content of the file that `--json` writes. */
export interface Report {
  /** When it was measured, ISO 8601. */
  readonly date: string;
  readonly machine: string;
  readonly series: readonly Series[];
}

/** A floor is measured without a process that stays. */
export function isDriver({ memory }: Series): boolean {
  return memory.length > 0;
}

/** Those of all reports, drivers first; what has the same name and backend, measured in parts, is one series. */
export function mergeSeries(reports: readonly Report[]): readonly Series[] {
  const byKey = Map.groupBy(
    reports.flatMap(({ series }) => series),
    ({ name, backend }) => `${backend} ${name}`,
  );
  const merged = [...byKey.values()].flatMap(parts => {
    const [first] = parts;
    if (first === undefined) return [];
    const results = parts.flatMap(part => part.results);
    return [{ ...first, results, memory: parts.flatMap(part => part.memory) }];
  });
  return [...merged.filter(isDriver), ...merged.filter(one => !isDriver(one))];
}

/** Lines of a table in Markdown. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

/** The averages for one call. */
function formatCost({ cost, cpuSeconds, calls }: OperationResult): readonly string[] {
  const counts = cost === undefined ? [undefined, undefined] : [cost.processes, cost.operations];
  const averages = counts.map(count =>
    count === undefined ? '' : (count / Math.max(1, cost?.calls ?? 0)).toFixed(1),
  );
  return [...averages, cpuSeconds === undefined ? '' : ((cpuSeconds * 1000) / Math.max(1, calls)).toFixed(1)];
}

const HEADER = [
  'call',
  'at a time',
  'calls',
  'errors',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'per second',
  'processes',
  'operations',
  'CPU ms',
];

/** The results as a table of text, a line for each operation. */
export function formatResults(results: readonly OperationResult[]): string {
  const rows = results.map(result => [
    result.operation,
    String(result.concurrency),
    String(result.calls),
    String(result.errors),
    result.p50.toFixed(0),
    result.p95.toFixed(0),
    result.p99.toFixed(0),
    result.perSecond.toFixed(1),
    ...formatCost(result),
  ]);
  return formatTable(HEADER, rows);
}

export function formatMemory({ when, processes }: MemorySample): string {
  const parts = processes.map(
    ({ name, mebibytes, descriptors }) => `${name} ${mebibytes.toFixed(0)} MiB, ${descriptors} descriptors`,
  );
  return `memory ${when}: ${parts.join('; ')}`;
}
