import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { parse } from 'yaml';
import type { User } from '../../../dev/ceph/cluster.ts';
import { runProgram } from '../../../dev/ceph/program.ts';
import { cluster, kubeconfig, kubectl, readObject, waitFor } from './cluster.ts';

const root = join(import.meta.dirname, '../../..');
const helmProgram = join(root, '.cache/bin/helm');

export const NAMESPACE = 'ceph-csi';
const RELEASE = 'ceph';
export const CONTROLLER = `deployment/${RELEASE}-csi-driver-ceph-controller`;
export const NODE_PLUGIN = `daemonset/${RELEASE}-csi-driver-ceph-node`;

interface StorageClass {
  readonly name: string;
  readonly driver: 'rbd' | 'cephfs';
  readonly clusterID: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** What this file reads of examples/values.yaml. */
interface ExampleValues {
  readonly driverCredentials: readonly { readonly clusterID: string }[];
  readonly storageClasses: readonly StorageClass[];
  readonly volumeSnapshotClasses: readonly { readonly clusterID: string }[];
}

/** Classes beside those of the example. */
export const XFS_CLASS = 'ceph-rbd-xfs';
export const RETAIN_CLASS = 'ceph-rbd-retain';
export const WRONG_POOL_CLASS = 'ceph-rbd-wrong-pool';

function createOtherClasses(example: StorageClass): readonly object[] {
  const base = { ...example, default: false };
  const { parameters } = example;
  return [
    { ...base, name: XFS_CLASS, parameters: { ...parameters, 'csi.storage.k8s.io/fstype': 'xfs' } },
    { ...base, name: RETAIN_CLASS, reclaimPolicy: 'Retain' },
    { ...base, name: WRONG_POOL_CLASS, parameters: { ...parameters, pool: 'no-such-pool' } },
  ];
}

/** The values of the quick start, with what an administrator has to put in, and more classes. */
async function createValues(): Promise<object> {
  const text = await readFile(join(root, 'examples/values.yaml'), 'utf8');
  const example = parse(text) as ExampleValues;
  const clusterID = cluster.clusterId;
  const storageClasses = example.storageClasses.map(storageClass => ({
    ...storageClass,
    clusterID,
    parameters:
      storageClass.driver === 'rbd' ? { pool: cluster.pools.replicated } : { fsName: cluster.fsName },
  }));
  const rbdClass = storageClasses.find(({ driver }) => driver === 'rbd');
  if (rbdClass === undefined) throw new Error('examples/values.yaml has no class of RBD');
  const podAnnotations = { 'lab.invalid/image': inject('imageVersion') };
  return {
    ...example,
    controller: { podAnnotations },
    node: { podAnnotations },
    clusters: [{ clusterID, monitors: cluster.monitors }],
    driverCredentials: example.driverCredentials.map(entry => ({ ...entry, clusterID })),
    storageClasses: [...storageClasses, ...createOtherClasses(rbdClass)],
    volumeSnapshotClasses: example.volumeSnapshotClasses.map(entry => ({ ...entry, clusterID })),
  };
}

/** The Secrets of docs/installation.md. */
function createSecrets(): readonly object[] {
  const { rbdProvisioner, rbdNode, cephfsProvisioner, cephfsNode, driver } = cluster.users;
  const secret = (name: string, stringData: Readonly<Record<string, string>>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: NAMESPACE },
    stringData,
  });
  const ofUser = (user: User) => secret(user.userId, { userID: user.userId, userKey: user.key });
  const { userId, key } = cephfsProvisioner;
  return [
    ...[rbdProvisioner, rbdNode, cephfsNode, driver].map(ofUser),
    secret(userId, { adminID: userId, adminKey: key }),
  ];
}

export async function withFile<T>(content: object, use: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-e2e-'));
  try {
    const file = join(directory, 'content.json');
    await writeFile(file, JSON.stringify(content), { mode: 0o600 });
    return await use(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function helm(...args: readonly string[]): Promise<string> {
  const options = ['--kubeconfig', kubeconfig, '--namespace', NAMESPACE];
  return await runProgram(helmProgram, [...options, ...args], { timeout: 600_000 });
}

interface DaemonSet {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly updateStrategy: { readonly type: string } };
  readonly status: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady: number;
  };
}

/** `kubectl rollout status` refuses a DaemonSet whose pods are replaced by hand. */
async function isNodePluginReady(): Promise<boolean> {
  const { metadata, spec, status } = await readObject<DaemonSet>('--namespace', NAMESPACE, NODE_PLUGIN);
  const { desiredNumberScheduled: desired, updatedNumberScheduled: updated = 0, numberReady } = status;
  const isUpdated = spec.updateStrategy.type === 'OnDelete' || updated === desired;
  return (
    status.observedGeneration === metadata.generation && isUpdated && desired > 0 && numberReady === desired
  );
}

/** Waits until the pods of the driver that are wanted now run. */
export async function waitForDriver(): Promise<void> {
  await kubectl('--namespace', NAMESPACE, 'rollout', 'status', CONTROLLER, '--timeout=400s');
  await waitFor('a node plugin that is ready', isNodePluginReady, 400_000);
}

/** The selector of the driver's pods: `controller` or `node`. */
export function selectComponent(component: string): string {
  return `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=${component}`;
}

/** Installs the chart as docs/installation.md says, or brings it to these settings; waits until all its pods run. */
export async function installDriver(...settings: readonly string[]): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  const objects = { apiVersion: 'v1', kind: 'List', items: [namespace, ...createSecrets()] };
  await withFile(objects, file => kubectl('apply', `--filename=${file}`));
  const sets = settings.flatMap(setting => ['--set', setting]);
  const chart = join(root, 'charts/csi-driver-ceph');
  await withFile(await createValues(), file =>
    withFile(inject('values'), own =>
      helm('upgrade', '--install', RELEASE, chart, '--values', file, '--values', own, ...sets),
    ),
  );
  await waitForDriver();
}

export async function uninstallDriver(): Promise<void> {
  await helm('uninstall', RELEASE, '--wait', '--timeout', '400s');
}

/** The pods of the driver, and what they printed last. */
export async function describeDriver(): Promise<string> {
  const run = (...args: readonly string[]) =>
    kubectl('--namespace', NAMESPACE, ...args).catch((error: unknown) => String(error));
  const logs = [CONTROLLER, NODE_PLUGIN].map(workload =>
    run('logs', workload, '--all-containers', '--prefix', '--tail=60'),
  );
  return (await Promise.all([run('get', 'pods', '--output=wide'), ...logs])).join('\n');
}
