import { join } from 'node:path';
import { cacheDirectory } from './places.ts';

/** What tells one node from another on the same machine. */
export interface Node {
  readonly name: string;
  readonly directory: string;
  /** The third octet of its networks. */
  readonly number: number;
  /** The host's end of the wire to the node, where Ceph listens. */
  readonly hostAddress: string;
  readonly address: string;
  readonly podNetwork: string;
  readonly serviceNetwork: string;
  /** The address of the service `kubernetes`, by which Pods know the API server. */
  readonly serviceAddress: string;
  /** The network interface at the host's end. */
  readonly link: string;
  /** Below each hierarchy of /sys/fs/cgroup. */
  readonly controlGroup: string;
  /** The administrator's. */
  readonly kubeconfig: string;
}

/** The node as Kubernetes names it. */
export const NODE_NAME = 'node';

/** Where the API server listens, also at the service's address: nothing has to translate addresses or ports. */
export const API_PORT = 443;

export function nodeDirectory(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) {
    throw new Error(`"${name}" is not a name for a node: up to 31 of a-z, 0-9 and -`);
  }
  return join(cacheDirectory, 'nodes', name);
}

export function describeNode(name: string, number: number): Node {
  const directory = nodeDirectory(name);
  return {
    name,
    directory,
    number,
    hostAddress: `10.199.${number}.1`,
    address: `10.199.${number}.2`,
    podNetwork: `10.244.${number}.0/24`,
    serviceNetwork: `10.96.${number}.0/24`,
    serviceAddress: `10.96.${number}.1`,
    link: `csilab${number}`,
    controlGroup: `csi-lab-${number}`,
    kubeconfig: join(directory, 'admin.kubeconfig'),
  };
}
