import type { OperationResult } from './load.ts';
import { BACKENDS, OPERATIONS, type Backend, type Operation } from './operation.ts';
import { formatTable, isDriver, type MemorySample, type Series } from './report.ts';

/** The levels of concurrency that any of them was measured at, ascending. */
export function concurrenciesOf(series: readonly Series[]): readonly number[] {
  const all = new Set(series.flatMap(({ results }) => results.map(({ concurrency }) => concurrency)));
  return [...all].sort((a, b) => a - b);
}

export function findResult(
  { results }: Series,
  operation: Operation,
  concurrency: number,
): OperationResult | undefined {
  return results.find(result => result.operation === operation && result.concurrency === concurrency);
}

function formatTiming(result: OperationResult | undefined): string {
  if (result === undefined) return '';
  const { p50, perSecond, errors } = result;
  const rate = perSecond < 10 ? perSecond.toFixed(1) : perSecond.toFixed(0);
  return `${p50.toFixed(0)} ms, ${rate}/s${errors === 0 ? '' : `, ${errors} errors`}`;
}

function compareTimings(series: readonly Series[]): string {
  const rows = OPERATIONS.flatMap(operation =>
    concurrenciesOf(series).map(concurrency => [
      operation,
      String(concurrency),
      ...series.map(one => formatTiming(findResult(one, operation, concurrency))),
    ]),
  );
  return formatTable(['Call', 'At a time', ...series.map(({ name }) => name)], rows);
}

/** The average over all levels of concurrency, between which it hardly differs. */
function averageCpu({ results }: Series, operation: Operation): string {
  const own = results.filter(one => one.operation === operation && one.cpuSeconds !== undefined);
  const calls = own.reduce((sum, one) => sum + one.calls, 0);
  const seconds = own.reduce((sum, { cpuSeconds = 0 }) => sum + cpuSeconds, 0);
  return calls === 0 ? '' : `${((seconds * 1000) / calls).toFixed(1)} ms`;
}

function compareCpu(series: readonly Series[]): string {
  const rows = OPERATIONS.map(operation => [operation, ...series.map(one => averageCpu(one, operation))]);
  return formatTable(['Call', ...series.map(({ name }) => name)], rows);
}

function totalMebibytes(sample: MemorySample | undefined): string {
  if (sample === undefined) return '';
  return `${sample.processes.reduce((sum, { mebibytes }) => sum + mebibytes, 0).toFixed(0)} MiB`;
}

function compareMemory(series: readonly Series[]): string {
  const rows = series.map(({ name, memory }) => [
    name,
    totalMebibytes(memory[0]),
    totalMebibytes(memory.at(-1)),
  ]);
  return formatTable(['Driver', 'Before', 'After'], rows);
}

function compareBackend(backend: Backend, series: readonly Series[]): string {
  const drivers = series.filter(isDriver);
  return [
    `#### ${backend}`,
    'The median, and calls a second:',
    compareTimings(series),
    'Processor time of the driver for a call:',
    compareCpu(drivers),
    'Resident memory of the driver:',
    compareMemory(drivers),
  ].join('\n\n');
}

/** Tables in Markdown that have the series of each backend side by side. */
export function compareSeries(series: readonly Series[]): string {
  return BACKENDS.map(backend => ({ backend, own: series.filter(one => one.backend === backend) }))
    .filter(({ own }) => own.length > 0)
    .map(({ backend, own }) => compareBackend(backend, own))
    .join('\n\n');
}
