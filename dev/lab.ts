/** `npm run lab -- …`: a real one-node Ceph, and machines with real kernel clients, for experiments and tests. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bringUp, type BringUpOptions } from './ceph/bring-up.ts';
import { findCluster, type Cluster } from './ceph/cluster.ts';
import { isRunning } from './ceph/daemon.ts';
import { programDirectory, runAsAdmin } from './ceph/program.ts';
import { parseRelease } from './ceph/release.ts';
import { takeDown } from './ceph/take-down.ts';
import { GUEST_USAGE, runGuestTask } from './guest/main.ts';
import { KUBERNETES_USAGE, runKubernetesTask } from './kubernetes/main.ts';

const USAGE = `usage: npm run lab -- ceph up|down|status [--name NAME] [--address ADDRESS] [--release 18|20]
       npm run lab -- ${GUEST_USAGE}
       npm run lab -- ${KUBERNETES_USAGE}`;

function printAccess(cluster: Cluster): void {
  console.log(`cluster ID      ${cluster.clusterId}`);
  console.log(`monitors        ${cluster.monitors.join(' ')}`);
  console.log(`as admin        ceph --conf ${cluster.conf} status`);
  console.log(`for the driver  --clusters-file ${cluster.clustersFile}`);
  console.log(`                --credentials-dir ${cluster.credentialsDirectory}`);
  console.log(`users and keys  ${cluster.directory}/lab.json`);
  const programs = programDirectory(cluster.directory);
  if (existsSync(programs)) console.log(`programs        ${programs}: put it first in PATH`);
}

async function up(name: string, options: BringUpOptions): Promise<void> {
  const started = performance.now();
  const elapsed = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const report = (step: string) => console.log(`${elapsed().padStart(7)}  ${step}`);
  const cluster = await bringUp(name, report, options);
  console.log(`${elapsed().padStart(7)}  cluster "${name}" is up`);
  printAccess(cluster);
}

async function status(name: string): Promise<number> {
  const cluster = await findCluster(name);
  if (cluster === undefined) {
    console.log(`cluster "${name}" is not up`);
    return 1;
  }
  printAccess(cluster);
  for (const daemon of cluster.daemons) {
    console.log(
      `${daemon.padEnd(15)} ${(await isRunning(cluster.directory, daemon)) ? 'runs' : 'does not run'}`,
    );
  }
  console.log(await runAsAdmin(cluster, 'ceph', ['--connect-timeout', '10', 'status']));
  return 0;
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'guest') return await runGuestTask(argv.slice(1));
  if (argv[0] === 'kubernetes') return await runKubernetesTask(argv.slice(1));
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      name: { type: 'string', default: 'lab' },
      address: { type: 'string' },
      release: { type: 'string' },
    },
    allowPositionals: true,
  });
  const { name, address, release } = values;
  const [kind, action] = positionals;
  if (kind !== 'ceph' || positionals.length !== 2) throw new Error(USAGE);
  switch (action) {
    case 'up':
      await up(name, {
        ...(address === undefined ? {} : { address }),
        ...(release === undefined ? {} : { release: parseRelease(release) }),
      });
      return 0;
    case 'down':
      await takeDown(name);
      console.log(`cluster "${name}" is down`);
      return 0;
    case 'status':
      return await status(name);
    case undefined:
    default:
      throw new Error(USAGE);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
