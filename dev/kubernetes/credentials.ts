import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import { API_PORT, NODE_NAME, type Node } from './node.ts';

/** Who talks to the API server: by file name, its user and group. */
const CLIENTS = {
  admin: ['admin', 'system:masters'],
  'controller-manager': ['system:kube-controller-manager', 'system:authenticated'],
  scheduler: ['system:kube-scheduler', 'system:authenticated'],
  kubelet: [`system:node:${NODE_NAME}`, 'system:nodes'],
} as const;

export type Client = keyof typeof CLIENTS;

export function kubeconfigFile(node: Node, client: Client): string {
  return join(node.directory, `${client}.kubeconfig`);
}

export interface Credentials {
  readonly authority: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
  readonly tokens: string;
}

export function credentialFiles(node: Node): Credentials {
  const at = (name: string) => join(node.directory, 'credentials', name);
  return {
    authority: at('authority.crt'),
    serverCertificate: at('server.crt'),
    serverKey: at('server.key'),
    serviceAccountKey: at('service-account.key'),
    serviceAccountPublicKey: at('service-account.pub'),
    tokens: at('tokens.csv'),
  };
}

function openssl(...args: string[]): Promise<string> {
  return runProgram('openssl', args);
}

const newKey = [
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:prime256v1',
  '-nodes',
  '-x509',
  '-days',
  '30',
];

async function createCertificates(node: Node, files: Credentials): Promise<void> {
  const authorityKey = `${files.authority}.key`;
  const names = [
    ...['127.0.0.1', node.address, node.serviceAddress].map(address => `IP:${address}`),
    ...['kubernetes.default.svc', 'localhost'].map(name => `DNS:${name}`),
  ];
  await openssl(
    ...['req', ...newKey, '-subj', '/CN=lab authority', '-keyout', authorityKey, '-out', files.authority],
  );
  await openssl(
    ...['req', ...newKey, '-subj', '/CN=kube-apiserver', '-CA', files.authority, '-CAkey', authorityKey],
    ...['-addext', `subjectAltName=${names.join(',')}`, '-addext', 'extendedKeyUsage=serverAuth'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', files.serverKey, '-out', files.serverCertificate],
  );
  const { serviceAccountKey, serviceAccountPublicKey } = files;
  await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', serviceAccountKey);
  await openssl('ec', '-in', serviceAccountKey, '-pubout', '-out', serviceAccountPublicKey);
}

function formatKubeconfig(node: Node, files: Credentials, token: string): string {
  const server = `https://${node.address}:${API_PORT}`;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority': files.authority } }],
    users: [{ name: 'lab', user: { token } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    'current-context': 'lab',
  };
  return JSON.stringify(config, undefined, 2);
}

/** Makes the keys, certificates, tokens and kubeconfigs of a new node. */
export async function createCredentials(node: Node): Promise<Credentials> {
  const files = credentialFiles(node);
  await mkdir(join(node.directory, 'credentials'), { recursive: true, mode: 0o700 });
  await createCertificates(node, files);
  const rows: string[] = [];
  for (const [client, [user, group]] of Object.entries(CLIENTS) as [Client, readonly [string, string]][]) {
    const token = randomBytes(16).toString('hex');
    rows.push(`${token},${user},${user},"${group}"\n`);
    await writeFile(kubeconfigFile(node, client), formatKubeconfig(node, files, token), { mode: 0o600 });
  }
  await writeFile(files.tokens, rows.join(''), { mode: 0o600 });
  return files;
}
