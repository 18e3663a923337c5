import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOCKET } from './container-runtime.ts';
import { kubeconfigFile } from './credentials.ts';
import { kubectl } from './kubectl.ts';
import { startOnNode } from './machine.ts';
import { NODE_NAME, type Node } from './node.ts';
import { waitFor } from './waiting.ts';

function describeConfiguration(node: Node): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    healthzBindAddress: '127.0.0.1',
    // Whoever reaches the node's network is on this machine.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${node.controlGroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // Lowering it is what root may lack the right to.
    oomScoreAdj: 0,
    // The share of the disk that is free says nothing here, and an image that is deleted cannot be pulled again.
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' },
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '10s',
  };
}

/** Starts the kubelet, and waits until its node is ready and Pods can be made. */
export async function startKubelet(node: Node): Promise<void> {
  const configuration = join(node.directory, 'kubelet.json');
  await writeFile(configuration, JSON.stringify(describeConfiguration(node), undefined, 2));
  await startOnNode(node, 'kubelet', [
    'kubelet',
    `--config=${configuration}`,
    `--kubeconfig=${kubeconfigFile(node, 'kubelet')}`,
    `--hostname-override=${NODE_NAME}`,
    `--node-ip=${node.address}`,
  ]);
  const log = join(node.directory, 'log/kubelet.log');
  const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  await waitFor(
    `a ready node (${log})`,
    async () => (await kubectl(node, 'get', 'node', NODE_NAME, '--output', ready)) === 'True',
  );
  await waitFor('the default service account', async () => {
    await kubectl(node, 'get', 'serviceaccount', 'default');
    return true;
  });
}
