/** One setting of `serve`: a flag, an environment variable, and what a person has to know of it. */
export interface OptionDescription {
  readonly flag: string;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
  readonly fallback: string;
  /** Absent: any text is valid. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** Every setting; docs/options.md is held against this table by a test. */
export const OPTIONS = {
  role: {
    flag: 'role',
    placeholder: 'ROLE',
    fallback: 'all',
    choices: ['controller', 'node', 'all'],
    help: 'Which CSI services to serve: the controller (Deployment), the node (DaemonSet), or both.',
  },
  rbdEndpoint: {
    flag: 'rbd-endpoint',
    placeholder: 'URL',
    fallback: '',
    help: 'Socket of the RBD driver, unix:///path or tcp://host:port. Empty: no RBD driver.',
  },
  cephfsEndpoint: {
    flag: 'cephfs-endpoint',
    placeholder: 'URL',
    fallback: '',
    help: 'Socket of the CephFS driver, unix:///path or tcp://host:port. Empty: no CephFS driver.',
  },
  rbdDriverName: {
    flag: 'rbd-driver-name',
    placeholder: 'NAME',
    fallback: 'rbd.csi-driver-ceph.io',
    help: 'Name of the RBD driver: the provisioner of its StorageClasses.',
  },
  cephfsDriverName: {
    flag: 'cephfs-driver-name',
    placeholder: 'NAME',
    fallback: 'cephfs.csi-driver-ceph.io',
    help: 'Name of the CephFS driver: the provisioner of its StorageClasses.',
  },
  clustersFile: {
    flag: 'clusters-file',
    placeholder: 'FILE',
    fallback: '/etc/csi-driver-ceph/config.json',
    help: 'The Ceph clusters: JSON in the format of ceph-csi-config. Read again when it changes.',
  },
  credentialsDir: {
    flag: 'credentials-dir',
    placeholder: 'DIR',
    fallback: '',
    help:
      'Credentials of the driver itself: DIR/<clusterID>/userID and userKey. Listing, capacity and the ' +
      'resumption of purges need them. Empty: none.',
  },
  nodeId: {
    flag: 'node-id',
    placeholder: 'NAME',
    fallback: '',
    help: "Name of this node, as Kubernetes knows it. Empty: the machine's host name.",
  },
  stateDir: {
    flag: 'state-dir',
    placeholder: 'DIR',
    fallback: '/var/lib/csi-driver-ceph',
    help: 'Where the node keeps the sockets and mount points of userspace exports.',
  },
  cephTransport: {
    flag: 'ceph-transport',
    placeholder: 'TRANSPORT',
    fallback: 'auto',
    choices: ['auto', 'session', 'process'],
    help:
      "How the controller has Ceph's commands run: over connections that stay open (session), each in a process of " +
      'its own, or auto: by processes only what connections cannot do, or where they cannot work.',
  },
  mapper: {
    flag: 'mapper',
    placeholder: 'MAPPER',
    fallback: 'auto',
    choices: ['auto', 'krbd', 'nbd', 'fuse'],
    help: 'How RBD images become devices where the StorageClass names no mounter; auto: the first that works here.',
  },
  mounter: {
    flag: 'mounter',
    placeholder: 'MOUNTER',
    fallback: 'auto',
    choices: ['auto', 'kernel', 'fuse'],
    help: 'How CephFS is mounted where the StorageClass names no mounter; auto: the first that works here.',
  },
  rbdSoftMaxCloneDepth: {
    flag: 'rbd-soft-max-clone-depth',
    placeholder: 'COUNT',
    fallback: '4',
    help: 'Parents that an RBD volume may have above it; one with more is flattened in the background.',
  },
  rbdHardMaxCloneDepth: {
    flag: 'rbd-hard-max-clone-depth',
    placeholder: 'COUNT',
    fallback: '12',
    help: 'No RBD volume is made with more parents above it. Kernel clients open at most 16.',
  },
  rbdSoftMaxSnapshots: {
    flag: 'rbd-soft-max-snapshots',
    placeholder: 'COUNT',
    fallback: '200',
    help:
      'Snapshots that an RBD volume may have, those included that only its clones still need; with more, clones are ' +
      'flattened in the background.',
  },
  rbdHardMaxSnapshots: {
    flag: 'rbd-hard-max-snapshots',
    placeholder: 'COUNT',
    fallback: '450',
    help: 'No more snapshots of an RBD volume are made. Kernel clients take at most 510.',
  },
  drainTimeout: {
    flag: 'drain-timeout',
    placeholder: 'DURATION',
    fallback: '25s',
    help: 'How long calls in flight may go on after SIGTERM, for example 25s.',
  },
  readAffinity: {
    flag: 'read-affinity',
    placeholder: 'BOOLEAN',
    fallback: 'false',
    choices: ['true', 'false'],
    help:
      'Whether the node asks the Kubernetes API for its labels, so that kernel clients read from the nearest replica ' +
      'where the clusters file says so (readAffinity).',
  },
  domainLabels: {
    flag: 'domain-labels',
    placeholder: 'LABEL,…',
    fallback: '',
    help:
      'Labels of Nodes whose values say which nodes reach which pool, where a StorageClass of RBD has ' +
      'topologyConstrainedPools: topology.kubernetes.io/zone, for example. The same for controller and nodes, which ' +
      'ask the Kubernetes API for theirs.',
  },
  metricsAddress: {
    flag: 'metrics-address',
    placeholder: 'HOST:PORT',
    fallback: '',
    help: 'Where to serve metrics for Prometheus at /metrics, for example :9090 for all addresses. Empty: nowhere.',
  },
  logLevel: {
    flag: 'log-level',
    placeholder: 'LEVEL',
    fallback: 'info',
    choices: ['error', 'warn', 'info', 'debug'],
    help: 'What is logged: info has a line for each call, debug each program and request, too.',
  },
} as const satisfies Record<string, OptionDescription>;
