import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bringUp } from '../dev/ceph/bring-up.ts';
import { findCluster, type Cluster } from '../dev/ceph/cluster.ts';
import { takeDown } from '../dev/ceph/take-down.ts';
import { startDriver } from '../dev/driver/process.ts';
import { createRequestValues } from '../dev/driver/requests.ts';
import { createCostReader } from './cost.ts';
import { measureDriver, printResults, type Driver } from './driver.ts';
import { measureLibrary } from './library.ts';
import type { OperationResult } from './load.ts';
import type { Amount, Backend } from './operation.ts';
import { amountOf, type Options, type Transport } from './options.ts';
import { measureProgram } from './program.ts';
import type { Series } from './report.ts';
import type { Target } from './target.ts';

/** What to do with a driver instead of measuring it. */
type Instead = (target: Target) => Promise<void>;

/** With the transport that the driver prefers it has its own name only. */
function nameOf(transport: Transport): string {
  return transport === 'process' ? 'csi-driver-ceph, programs' : 'csi-driver-ceph';
}

/** A driver of its own for each transport, since one would keep what the other's load has left in memory. */
async function measureTransport(
  transport: Transport,
  cluster: Cluster,
  options: Options,
  instead: Instead | undefined,
): Promise<readonly Series[]> {
  const directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-bench-'));
  const flags = ['--role', 'controller', '--ceph-transport', transport];
  try {
    const driver = await startDriver({ cluster, directory, flags });
    const series: Series[] = [];
    try {
      for (const backend of options.backends) {
        const target = { endpoint: driver.endpoints[backend], ...createRequestValues(cluster)[backend] };
        const takeCost = createCostReader(() => driver.output());
        const measured: Driver = { name: nameOf(transport), backend, target, pid: driver.pid, takeCost };
        if (instead === undefined) series.push(await measureDriver(measured, options));
        else await instead(target);
      }
    } finally {
      await driver.stop();
    }
    return series;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Floor = (backend: Backend, cluster: Cluster, amount: Amount) => Promise<readonly OperationResult[]>;

async function measureFloor(
  name: string,
  floor: Floor,
  cluster: Cluster,
  options: Options,
): Promise<readonly Series[]> {
  const series: Series[] = [];
  for (const backend of options.backends) {
    console.log(`\n${name}, ${backend}`);
    const results: OperationResult[] = [];
    for (const concurrency of options.concurrencies) {
      const seen = await floor(backend, cluster, amountOf(options, concurrency));
      printResults(seen);
      results.push(...seen);
    }
    series.push({ name, backend, results, memory: [] });
  }
  return series;
}

/** A cluster of its own; that of `--lab` stays up. */
async function withCluster<T>(lab: string | undefined, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  if (lab !== undefined) {
    const cluster = await findCluster(lab);
    if (cluster === undefined) throw new Error(`--lab: cluster "${lab}" is not up`);
    return await work(cluster);
  }
  const name = `bench-${process.pid}`;
  console.log('bringing a cluster up');
  try {
    return await work(await bringUp(name));
  } finally {
    await takeDown(name);
  }
}

/** Measures a driver of this checkout with each transport, then what Ceph and its programs take without a driver. */
export async function measureCheckout(
  options: Options,
  instead: Instead | undefined,
): Promise<readonly Series[]> {
  return await withCluster(options.lab, async cluster => {
    const series: Series[] = [];
    for (const transport of options.transports.filter(one => one !== 'none')) {
      series.push(...(await measureTransport(transport, cluster, options, instead)));
    }
    if (!options.floors || instead !== undefined) return series;
    series.push(...(await measureFloor('Ceph itself', measureLibrary, cluster, options)));
    series.push(...(await measureFloor('one program', measureProgram, cluster, options)));
    return series;
  });
}
