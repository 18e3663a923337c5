import { BUSYBOX_IMAGE } from '../../../dev/kubernetes/images.ts';

export interface ClaimOptions {
  /** Default: `ceph-rbd`. */
  readonly storageClass?: string;
  /** Default: 1Gi. */
  readonly size?: string;
  readonly volumeMode?: 'Filesystem' | 'Block';
  readonly accessMode?: string;
}

export function createClaim(name: string, options: ClaimOptions = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: {
      storageClassName: options.storageClass ?? 'ceph-rbd',
      accessModes: [options.accessMode ?? 'ReadWriteOnce'],
      volumeMode: options.volumeMode ?? 'Filesystem',
      resources: { requests: { storage: options.size ?? '1Gi' } },
    },
  };
}

export interface PodOptions {
  readonly claim: string;
  /** The device's path in the Pod, for a raw block volume. Without it the volume is mounted at /data. */
  readonly device?: string;
  readonly readOnly?: boolean;
  /** Runs as a user who is not root, with this group as one more. */
  readonly fsGroup?: number;
}

/** A Pod that does nothing: the test runs commands in it. */
export function createPod(name: string, options: PodOptions): object {
  const { claim, device, readOnly = false, fsGroup } = options;
  const user =
    fsGroup === undefined ? {} : { securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup } };
  const use =
    device === undefined
      ? { volumeMounts: [{ name: 'data', mountPath: '/data', readOnly }] }
      : { volumeDevices: [{ name: 'data', devicePath: device }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      ...user,
      containers: [{ name: 'main', image: BUSYBOX_IMAGE, command: ['sleep', 'infinity'], ...use }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
    },
  };
}
