import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.ts';
import type { _csi_v1_VolumeCapability_AccessMode_Mode as AccessMode } from '../../src/gen/csi/v1/VolumeCapability.ts';
import type { Cluster } from '../ceph/cluster.ts';

/** The values that requests to a driver of this cluster have, where Kubernetes takes them from a StorageClass. */
export interface RequestValues {
  readonly rbd: {
    readonly parameters: { readonly clusterID: string; readonly pool: string };
    /** Of the Secrets that the class names for the provisioner, and for the nodes. */
    readonly secrets: Record<string, string>;
    readonly nodeSecrets: Record<string, string>;
  };
  readonly cephfs: {
    readonly parameters: { readonly clusterID: string; readonly fsName: string };
    readonly secrets: Record<string, string>;
    readonly nodeSecrets: Record<string, string>;
  };
}

export function createRequestValues({ clusterId, pools, fsName, users }: Cluster): RequestValues {
  return {
    rbd: {
      parameters: { clusterID: clusterId, pool: pools.replicated },
      secrets: { userID: users.rbdProvisioner.userId, userKey: users.rbdProvisioner.key },
      nodeSecrets: { userID: users.rbdNode.userId, userKey: users.rbdNode.key },
    },
    cephfs: {
      parameters: { clusterID: clusterId, fsName },
      secrets: { adminID: users.cephfsProvisioner.userId, adminKey: users.cephfsProvisioner.key },
      nodeSecrets: { userID: users.cephfsNode.userId, userKey: users.cephfsNode.key },
    },
  };
}

/** A volume with a file system, by default for one node; the empty type is the driver's default. */
export function mountCapability(
  mode: keyof typeof AccessMode = 'SINGLE_NODE_WRITER',
  fsType = '',
): VolumeCapability {
  return { mount: { fs_type: fsType }, access_mode: { mode } };
}

/** A raw block volume. */
export function blockCapability(mode: keyof typeof AccessMode = 'SINGLE_NODE_WRITER'): VolumeCapability {
  return { block: {}, access_mode: { mode } };
}
