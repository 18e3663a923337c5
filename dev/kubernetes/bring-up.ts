import { mkdir, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { bringUp as bringUpCeph } from '../ceph/bring-up.ts';
import type { Cluster } from '../ceph/cluster.ts';
import { startContainerRuntime } from './container-runtime.ts';
import { startControlPlane } from './control-plane.ts';
import { createCredentials, kubeconfigFile } from './credentials.ts';
import { makeDriverImage } from './driver-image.ts';
import { buildPrograms } from './go-build.ts';
import { importImages } from './image-store.ts';
import type { ImageArchive } from './image.ts';
import { makeToolImages } from './images.ts';
import { kubectl } from './kubectl.ts';
import { startKubelet } from './kubelet.ts';
import { createMachine, startOnNode } from './machine.ts';
import { describeNode, type Node } from './node.ts';
import { RECIPES } from './recipes.ts';
import { listSnapshotDefinitions } from './snapshot-definitions.ts';
import { nodeFile, takeDown } from './take-down.ts';

/** Tells what is being done. */
export type Report = (step: string) => void;

/** A Kubernetes of one node, and a Ceph beside it. */
export interface Lab {
  readonly node: Node;
  readonly cluster: Cluster;
}

/** Builds and downloads what a node needs, as far as it is not there from an earlier start. */
export async function prepare(
  report: Report,
  signal = new AbortController().signal,
): Promise<readonly ImageArchive[]> {
  for (const recipe of RECIPES) {
    report(`programs: ${recipe.name}`);
    await buildPrograms(recipe, signal);
  }
  report('images');
  return [...(await makeToolImages()), ...(await makeDriverImage(signal))];
}

/** The first number whose networks this machine has none of. */
function chooseNumber(): number {
  const links = Object.keys(networkInterfaces());
  for (let number = 1; number < 255; number += 1) {
    if (!links.includes(describeNode('any', number).link)) return number;
  }
  throw new Error('254 nodes are up');
}

async function startSnapshotController(node: Node): Promise<void> {
  const files = await listSnapshotDefinitions();
  await kubectl(node, 'apply', '--server-side', ...files.map(file => `--filename=${file}`));
  await kubectl(
    node,
    'wait',
    '--for=condition=Established',
    '--timeout=240s',
    'customresourcedefinition',
    '--all',
  );
  await startOnNode(node, 'snapshot-controller', [
    'snapshot-controller',
    `--kubeconfig=${kubeconfigFile(node, 'admin')}`,
    '--leader-election=false',
  ]);
}

async function startNode(node: Node, images: readonly ImageArchive[], report: Report): Promise<void> {
  report('API server');
  const credentials = await createCredentials(node);
  const importing = startContainerRuntime(node).then(() => importImages(node, images));
  await Promise.all([startControlPlane(node, credentials), importing]);
  report('kubelet');
  await Promise.all([startKubelet(node), startSnapshotController(node)]);
}

/**
 * Brings up a Kubernetes of one node and a Ceph that it reaches, both of that name; ones that are there already are
 * thrown away first. They outlive this process. What did not come up is taken down again, but for its logs.
 */
export async function bringUp(name: string, report: Report = () => undefined): Promise<Lab> {
  const images = await prepare(report);
  await takeDown(name);
  const node = describeNode(name, chooseNumber());
  try {
    report('namespaces');
    await mkdir(node.directory, { recursive: true });
    await writeFile(nodeFile(name), JSON.stringify(node, undefined, 2));
    await createMachine(node);
    const ceph = bringUpCeph(name, step => report(`Ceph: ${step}`), { address: node.hostAddress });
    const [cluster] = await Promise.all([ceph, startNode(node, images, report)]);
    return { node, cluster };
  } catch (error) {
    await takeDown(name, { keepLogs: true });
    throw error;
  }
}
