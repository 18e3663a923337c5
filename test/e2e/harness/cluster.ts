import { inject } from 'vitest';
import { runAsAdmin } from '../../../dev/ceph/program.ts';
import { kubectl as runKubectl } from '../../../dev/kubernetes/kubectl.ts';
import { waitFor } from '../../../dev/kubernetes/waiting.ts';

export { waitFor };

/** The Kubernetes and the Ceph of this run. */
export const kubeconfig = inject('kubeconfig');
export const cluster = inject('cluster');

export function kubectl(...args: readonly string[]): Promise<string> {
  return runKubectl({ kubeconfig }, ...args);
}

/** What kubectl tells of objects, as far as the tests read it. */
export async function readObject<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl('get', '--output=json', ...args)) as T;
}

/** The images of the pool, other than those that are being deleted. */
export async function listImages(): Promise<readonly string[]> {
  const output = await runAsAdmin(cluster, 'rbd', ['ls', '--format=json', cluster.pools.replicated]);
  return JSON.parse(output) as string[];
}

/** The subvolumes of the driver's group. */
export async function listSubvolumes(): Promise<readonly string[]> {
  const args = ['fs', 'subvolume', 'ls', cluster.fsName, 'csi', '--format=json'];
  try {
    const subvolumes = JSON.parse(await runAsAdmin(cluster, 'ceph', args)) as { readonly name: string }[];
    return subvolumes.map(subvolume => subvolume.name);
  } catch (error) {
    // The group is made with the first volume.
    if (error instanceof Error && 'code' in error && error.code === 2) return [];
    throw error;
  }
}
