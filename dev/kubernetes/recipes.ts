import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Programs that one Go module has, and where. */
export interface Recipe {
  /** Names the module's directory in the cache. */
  readonly name: string;
  /** The module's path and version, or the directory of a module of this repository. */
  readonly module: { readonly path: string; readonly version: string } | { readonly directory: string };
  /** The package of each program. */
  readonly programs: Readonly<Record<string, string>>;
  readonly linkerFlags?: string;
}

interface ChartValues {
  readonly sidecars: Readonly<Record<Sidecar, { readonly image: ImageReference }>>;
}

interface ImageReference {
  readonly repository: string;
  readonly tag: string;
}

/** The sidecars whose Go modules can be had. */
export type Sidecar = 'provisioner' | 'attacher' | 'resizer' | 'snapshotter';

const KUBERNETES_VERSION = 'v1.36.3';
const ETCD_VERSION = 'v3.6.16';
const CONTAINERD_VERSION = 'v2.2.9';

const root = join(import.meta.dirname, '../..');
const valuesFile = join(root, 'charts/csi-driver-ceph/values.yaml');
const values = parse(await readFile(valuesFile, 'utf8')) as ChartValues;

export const SIDECARS = ['provisioner', 'attacher', 'resizer', 'snapshotter'] as const satisfies Sidecar[];

/** The image of a sidecar that the chart names, which is the one to build. */
export function sidecarImage(sidecar: Sidecar): string {
  const { repository, tag } = values.sidecars[sidecar].image;
  return `${repository}:${tag}`;
}

function describeSidecar(sidecar: Sidecar): Recipe {
  const { tag } = values.sidecars[sidecar].image;
  const path = `github.com/kubernetes-csi/external-${sidecar}/${tag.replace(/\..*/, '')}`;
  const programs: Record<string, string> = { [`csi-${sidecar}`]: `${path}/cmd/csi-${sidecar}` };
  if (sidecar === 'snapshotter') programs['snapshot-controller'] = `${path}/cmd/snapshot-controller`;
  return {
    name: sidecar,
    module: { path, version: tag },
    programs,
    linkerFlags: `-X main.version=${tag}`,
  };
}

function describeKubernetes(): Recipe {
  const path = 'k8s.io/kubernetes';
  const names = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl'];
  const [major, minor] = KUBERNETES_VERSION.slice(1).split('.');
  const variables = {
    gitVersion: KUBERNETES_VERSION,
    gitMajor: major ?? '',
    gitMinor: minor ?? '',
    gitTreeState: 'clean',
  };
  return {
    name: 'kubernetes',
    module: { path, version: KUBERNETES_VERSION },
    programs: Object.fromEntries(names.map(name => [name, `${path}/cmd/${name}`])),
    linkerFlags: Object.entries(variables)
      .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
      .join(' '),
  };
}

const etcd = 'go.etcd.io/etcd/server/v3';
const containerd = 'github.com/containerd/containerd/v2';
const own = 'csi-driver-ceph.io/lab';

/** All that the node runs, other than what comes as a Debian package. */
export const RECIPES: readonly Recipe[] = [
  describeKubernetes(),
  ...SIDECARS.map(describeSidecar),
  { name: 'etcd', module: { path: etcd, version: ETCD_VERSION }, programs: { etcd } },
  {
    name: 'containerd',
    module: { path: containerd, version: CONTAINERD_VERSION },
    programs: Object.fromEntries(
      ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(name => [name, `${containerd}/cmd/${name}`]),
    ),
  },
  {
    name: 'own',
    module: { directory: join(import.meta.dirname, 'programs') },
    programs: { registrar: `${own}/registrar`, liveness: `${own}/liveness`, pause: `${own}/pause` },
  },
];
