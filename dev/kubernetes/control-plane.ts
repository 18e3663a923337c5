import { join } from 'node:path';
import { kubeconfigFile, type Credentials } from './credentials.ts';
import { kubectl } from './kubectl.ts';
import { startOnNode } from './machine.ts';
import { API_PORT, type Node } from './node.ts';
import { waitFor } from './waiting.ts';

const CLIENT_URL = 'http://127.0.0.1:2379';
const PEER_URL = 'http://127.0.0.1:2380';

async function startEtcd(node: Node): Promise<void> {
  await startOnNode(node, 'etcd', [
    'etcd',
    `--data-dir=${join(node.directory, 'etcd')}`,
    // What is lost in a crash of the machine is lost.
    '--unsafe-no-fsync',
    `--listen-client-urls=${CLIENT_URL}`,
    `--advertise-client-urls=${CLIENT_URL}`,
    `--listen-peer-urls=${PEER_URL}`,
    `--initial-advertise-peer-urls=${PEER_URL}`,
    `--initial-cluster=default=${PEER_URL}`,
  ]);
}

async function startApiServer(node: Node, credentials: Credentials): Promise<void> {
  await startOnNode(node, 'kube-apiserver', [
    'kube-apiserver',
    `--etcd-servers=${CLIENT_URL}`,
    // On all addresses: the node's for the host, the service's for Pods.
    '--bind-address=0.0.0.0',
    `--advertise-address=${node.address}`,
    `--secure-port=${API_PORT}`,
    `--service-cluster-ip-range=${node.serviceNetwork}`,
    `--tls-cert-file=${credentials.serverCertificate}`,
    `--tls-private-key-file=${credentials.serverKey}`,
    `--token-auth-file=${credentials.tokens}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${credentials.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${credentials.serviceAccountKey}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--profiling=false',
  ]);
}

/** Starts all of Kubernetes but the kubelet, and waits until the API server answers. */
export async function startControlPlane(node: Node, credentials: Credentials): Promise<void> {
  await startEtcd(node);
  await startApiServer(node, credentials);
  await waitFor(`the API server (${join(node.directory, 'log/kube-apiserver.log')})`, async () => {
    await kubectl(node, 'get', '--raw', '/readyz');
    return true;
  });
  await startOnNode(node, 'kube-controller-manager', [
    'kube-controller-manager',
    `--kubeconfig=${kubeconfigFile(node, 'controller-manager')}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--service-account-private-key-file=${credentials.serviceAccountKey}`,
    `--root-ca-file=${credentials.authority}`,
    '--use-service-account-credentials=true',
  ]);
  await startOnNode(node, 'kube-scheduler', [
    'kube-scheduler',
    `--kubeconfig=${kubeconfigFile(node, 'scheduler')}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]);
}
