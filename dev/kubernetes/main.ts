import { parseArgs } from 'node:util';
import { bringUp, prepare, type Report } from './bring-up.ts';
import { kubectl } from './kubectl.ts';
import type { Node } from './node.ts';
import { findNode, takeDown } from './take-down.ts';

export const KUBERNETES_USAGE = 'kubernetes up|down|status [--name NAME] | kubernetes build [--minutes N]';
const USAGE = `usage: npm run lab -- ${KUBERNETES_USAGE}`;

function printAccess(node: Node): void {
  console.log(`as administrator  export KUBECONFIG=${node.kubeconfig}`);
  console.log(`logs              ${node.directory}/log`);
  console.log(`its Ceph          npm run lab -- ceph status --name ${node.name}`);
}

function startReport(): Report {
  const started = performance.now();
  return step => {
    console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${step}`);
  };
}

/** @param minutes how long it may take; what has been built by then stays. */
async function build(minutes: number): Promise<number> {
  if (!(minutes > 0)) throw new Error(`--minutes: "${minutes}" is not a number above 0`);
  const report = startReport();
  const signal = AbortSignal.timeout(minutes * 60_000);
  try {
    await prepare(report, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error(`${minutes} minutes were not enough to build it`, { cause: error });
  }
  report('all that a node needs is there');
  return 0;
}

async function up(name: string): Promise<number> {
  const report = startReport();
  const { node } = await bringUp(name, report);
  report(`Kubernetes "${name}" is up`);
  printAccess(node);
  return 0;
}

async function status(name: string): Promise<number> {
  const node = await findNode(name);
  if (node === undefined) {
    console.log(`Kubernetes "${name}" is not up`);
    return 1;
  }
  printAccess(node);
  console.log(await kubectl(node, 'get', 'nodes,pods', '--all-namespaces', '--output=wide'));
  return 0;
}

/** `npm run lab -- kubernetes …`: a real one-node Kubernetes with a Ceph beside it. Resolves to the exit code. */
export async function runKubernetesTask(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      name: { type: 'string', default: 'kubernetes' },
      minutes: { type: 'string', default: '120' },
    },
    allowPositionals: true,
  });
  const [action] = positionals;
  if (action === undefined || positionals.length > 1) throw new Error(USAGE);
  switch (action) {
    case 'build':
      return await build(Number(values.minutes));
    case 'up':
      return await up(values.name);
    case 'down':
      await takeDown(values.name);
      console.log(`Kubernetes "${values.name}" is down`);
      return 0;
    case 'status':
      return await status(values.name);
    default:
      throw new Error(USAGE);
  }
}
