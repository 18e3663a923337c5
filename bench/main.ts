/**
 * `npm run bench [-- --volumes N] [--concurrency 1,10,32] [--ceph-transport session,process] [--endpoint URL --parameters
 * JSON --secrets JSON]`: how many calls a second the controller answers, and what each costs. Without an endpoint, on a
 * cluster of its own and a driver of its own for each transport; with one, on any CSI driver, so that two can be
 * compared on the same cluster. With `--restore-loop N`, instead, whether N snapshots of one volume are restored and
 * deleted without a person's help, however few of them Ceph allows at a time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bringUp } from '../dev/ceph/bring-up.ts';
import { takeDown } from '../dev/ceph/take-down.ts';
import { startDriver, type DriverProcess } from '../dev/driver/process.ts';
import { createRequestValues } from '../dev/driver/requests.ts';
import type { Cluster } from '../dev/ceph/cluster.ts';
import { createCostReader } from './cost.ts';
import { formatResults, OPERATIONS, runLoad, type LoadPlan } from './load.ts';
import { describeMemory } from './memory.ts';
import { runRestoreLoop } from './restore-loop.ts';

type Target = Pick<LoadPlan, 'endpoint' | 'parameters' | 'secrets' | 'takeCost'>;

const { values } = parseArgs({
  options: {
    volumes: { type: 'string', default: '100' },
    concurrency: { type: 'string', default: '1,10,32' },
    'ceph-transport': { type: 'string', default: 'session,process' },
    'restore-loop': { type: 'string' },
    endpoint: { type: 'string' },
    parameters: { type: 'string', default: '{}' },
    secrets: { type: 'string', default: '{}' },
  },
});

function requireCount(flag: string, text: string): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new Error(`--${flag}: "${text}" is not a count from 1 on`);
  return Number(text);
}

const volumes = requireCount('volumes', values.volumes);
const concurrencies = values.concurrency.split(',').map(text => requireCount('concurrency', text));

const restores = values['restore-loop'];
const restoreCount = restores === undefined ? undefined : requireCount('restore-loop', restores);

async function measureLoop(target: Target, count: number): Promise<void> {
  const { restores: done, repeated, seconds } = await runRestoreLoop(target, count);
  const again = [...repeated]
    .map(([code, times]) => `, ${times} calls answered ${code} and repeated`)
    .join('');
  console.log(`${done} snapshots taken, restored and deleted in ${seconds.toFixed(0)} s${again}`);
}

async function measure(target: Target): Promise<void> {
  if (restoreCount !== undefined) {
    await measureLoop(target, restoreCount);
    return;
  }
  for (const concurrency of concurrencies) {
    const results = await runLoad({ ...target, volumes, concurrency, operations: OPERATIONS });
    console.log(`\n${formatResults(results, concurrency)}`);
    const failed = results.filter(({ errors }) => errors > 0);
    for (const { operation, firstError } of failed) console.log(`${operation}: ${firstError ?? 'failed'}`);
    if (failed.length > 0) process.exitCode = 1;
  }
}

async function measureDriver(driver: DriverProcess, cluster: Cluster): Promise<void> {
  const { parameters, secrets } = createRequestValues(cluster).rbd;
  console.log(await describeMemory(driver.pid));
  const takeCost = createCostReader(() => driver.output());
  await measure({ endpoint: driver.endpoints.rbd, parameters, secrets, takeCost });
  console.log(await describeMemory(driver.pid));
}

async function measureTransport(transport: string, cluster: Cluster, directory: string): Promise<void> {
  console.log(`\n--ceph-transport ${transport}`);
  const flags = ['--role', 'controller', '--ceph-transport', transport];
  const driver = await startDriver({ cluster, directory, flags });
  try {
    await measureDriver(driver, cluster);
  } finally {
    await driver.stop();
  }
}

async function measureOwn(): Promise<void> {
  const name = `bench-${process.pid}`;
  const directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-bench-'));
  try {
    console.log('bringing a cluster and the driver up');
    const cluster = await bringUp(name);
    for (const transport of values['ceph-transport'].split(',')) {
      await measureTransport(transport, cluster, directory);
    }
  } finally {
    await takeDown(name);
    await rm(directory, { recursive: true, force: true });
  }
}

if (values.endpoint === undefined) {
  await measureOwn();
} else {
  const parse = (text: string) => JSON.parse(text) as Record<string, string>;
  await measure({
    endpoint: values.endpoint,
    parameters: parse(values.parameters),
    secrets: parse(values.secrets),
  });
}
