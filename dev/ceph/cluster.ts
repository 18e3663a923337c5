import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A Ceph user, without `client.` in front. */
export interface User {
  readonly userId: string;
  readonly key: string;
}

/** What a running one-node cluster is and how to reach it: the content of its `lab.json`. */
export interface Cluster {
  readonly name: string;
  readonly directory: string;
  /** The fsid, which is the cluster's ID in the clusters file, too. */
  readonly clusterId: string;
  readonly monitors: readonly string[];
  /** Of the administrator: `ceph --conf FILE` may do everything. */
  readonly conf: string;
  /** In the format of ceph-csi's `config.json`. */
  readonly clustersFile: string;
  /** `<clusterID>/{userID,userKey}` with the driver's own user, as `--credentials-dir` takes it. */
  readonly credentialsDirectory: string;
  readonly pools: {
    readonly replicated: string;
    /** A data pool: images in `replicated` can keep their data there. */
    readonly erasureCoded: string;
  };
  readonly fsName: string;
  readonly users: {
    readonly rbdProvisioner: User;
    readonly rbdNode: User;
    readonly cephfsProvisioner: User;
    readonly cephfsNode: User;
    /** The driver's own: it lists, tells the capacity and purges without a request's secrets. */
    readonly driver: User;
  };
  readonly daemons: readonly string[];
}

/** Each cluster has a directory of its name in it. */
export const labDirectory = join(import.meta.dirname, '../../.cache/lab');

export function clusterDirectory(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) {
    throw new Error(`"${name}" is not a name for a cluster: up to 31 of a-z, 0-9 and -`);
  }
  return join(labDirectory, name);
}

/** The cluster of that name, or undefined when none is up. */
export async function findCluster(name: string): Promise<Cluster | undefined> {
  try {
    return JSON.parse(await readFile(join(clusterDirectory(name), 'lab.json'), 'utf8')) as Cluster;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
