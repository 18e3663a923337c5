/**
 * `npm run bench`: how many calls a second a CSI controller answers, and what each costs; docs/performance.md tells the
 * options. Without `--endpoint` a driver of this checkout is measured, with each transport, and beside it what Ceph
 * itself takes, on a cluster of its own or that of `--lab`; with it, any CSI driver. `--compare` puts the numbers of
 * earlier runs side by side. `--restore-loop N` tells, instead, whether N snapshots of one volume are restored and
 * deleted without a person's help, however few of them Ceph allows at a time.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { compareSeries } from './comparison.ts';
import { measureCheckout } from './checkout.ts';
import { measureDriver } from './driver.ts';
import { parseOptions, type Options } from './options.ts';
import { plotSeries } from './plot.ts';
import { mergeSeries, type Report, type Series } from './report.ts';
import { runRestoreLoop } from './restore-loop.ts';
import type { Target } from './target.ts';

async function loop(target: Target, count: number): Promise<void> {
  const { restores, repeated, seconds } = await runRestoreLoop(target, count);
  const again = [...repeated]
    .map(([code, times]) => `, ${times} calls answered ${code} and repeated`)
    .join('');
  console.log(`${restores} snapshots taken, restored and deleted in ${seconds.toFixed(0)} s${again}`);
}

async function measure(options: Options): Promise<readonly Series[]> {
  const { endpoint, parameters, secrets, snapshotParameters, name, pid, backends, restoreLoop } = options;
  const run = restoreLoop === undefined ? undefined : (target: Target) => loop(target, restoreLoop);
  if (endpoint === undefined) return await measureCheckout(options, run);
  const target = { endpoint, parameters, secrets, snapshotParameters };
  if (run !== undefined) {
    await run(target);
    return [];
  }
  const [backend = 'rbd'] = backends;
  return [await measureDriver({ name, backend, target, ...(pid === undefined ? {} : { pid }) }, options)];
}

async function readReport(file: string): Promise<Report> {
  return JSON.parse(await readFile(file, 'utf8')) as Report;
}

function createReport(series: readonly Series[]): Report {
  const machine = `${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown'}`;
  return { date: new Date().toISOString(), machine, series };
}

const options = await parseOptions(process.argv.slice(2));
const { compare, json, plot } = options;
const reports =
  compare === undefined ? [createReport(await measure(options))] : await Promise.all(compare.map(readReport));
const series = mergeSeries(reports);
if (compare !== undefined) console.log(compareSeries(series));
if (json !== undefined) await writeFile(json, `${JSON.stringify(reports[0], undefined, 2)}\n`);
if (plot !== undefined) await writeFile(plot, plotSeries(series));
const failed = series.some(({ results }) => results.some(({ errors }) => errors > 0));
if (compare === undefined && failed) process.exitCode = 1;
