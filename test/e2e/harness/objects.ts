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
  /** Default: nothing is done, the test runs commands in the Pod. */
  readonly command?: readonly string[];
}

/** What a writer prints when it was refused a line. */
const FAILED = 'failed';

/** A Pod of one container. */
export function createPod(name: string, options: PodOptions): object {
  const { claim, device, readOnly = false, fsGroup, command = ['sleep', 'infinity'] } = options;
  const user =
    fsGroup === undefined ? {} : { securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup } };
  const use =
    device === undefined
      ? { volumeMounts: [{ name: 'data', mountPath: '/data' }] }
      : { volumeDevices: [{ name: 'data', devicePath: device }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      ...user,
      containers: [{ name: 'main', image: BUSYBOX_IMAGE, command, ...use }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim, readOnly } }],
    },
  };
}

/**
 * A Pod that goes on writing numbers to a file, one a line, and prints each once it was told that it is on disk. The
 * first failure it prints, too, and writes no more.
 */
export function createWriter(name: string, claim: string): object {
  const append = 'dd of=/data/log oflag=append conv=notrunc,fsync 2>/dev/null';
  const write = `echo $n | ${append} && echo $n && sleep 0.05`;
  const script = `n=1; while ${write}; do n=$((n + 1)); done; echo ${FAILED}; sleep infinity`;
  return createPod(name, { claim, command: ['sh', '-c', script] });
}

export interface Progress {
  /** How many lines are on disk. */
  readonly lines: number;
  readonly failed: boolean;
}

/** Reads what a writer printed. */
export function readProgress(log: string): Progress {
  const lines = log.split('\n').slice(0, -1);
  const failed = lines.at(-1) === FAILED;
  return { lines: failed ? lines.length - 1 : lines.length, failed };
}
