import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { DriverError } from '../model/errors.ts';
import { parseDuration } from './clusters.ts';

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

const ENVIRONMENT_PREFIX = 'CSI_DRIVER_CEPH_';

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
  drainTimeout: {
    flag: 'drain-timeout',
    placeholder: 'DURATION',
    fallback: '25s',
    help: 'How long calls in flight may go on after SIGTERM, for example 25s.',
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

export type OptionName = keyof typeof OPTIONS;
const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** A host, empty for all addresses, and a port, 0 for any. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The settings of `serve`, checked. */
export interface ServeOptions {
  readonly servesController: boolean;
  readonly servesNode: boolean;
  /** Absent: the driver is off. */
  readonly rbdEndpoint?: string;
  readonly cephfsEndpoint?: string;
  readonly rbdDriverName: string;
  readonly cephfsDriverName: string;
  readonly clustersFile: string;
  readonly credentialsDir?: string;
  readonly nodeId: string;
  readonly stateDir: string;
  readonly cephTransport: 'auto' | 'session' | 'process';
  readonly mapper: 'auto' | 'krbd' | 'nbd' | 'fuse';
  readonly mounter: 'auto' | 'kernel' | 'fuse';
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Absent: no metrics. */
  readonly metricsAddress?: ListenAddress;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

export function environmentVariableOf(option: OptionDescription): string {
  return `${ENVIRONMENT_PREFIX}${option.flag.toUpperCase().replaceAll('-', '_')}`;
}

function readFlags(argv: readonly string[]): Partial<Record<string, string>> {
  const options = Object.fromEntries(
    Object.values(OPTIONS).map(option => [option.flag, { type: 'string' as const }]),
  );
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    return values;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DriverError('invalid-argument', why, { cause: error });
  }
}

function readSettings(argv: readonly string[], env: NodeJS.ProcessEnv): Record<OptionName, string> {
  const flags = readFlags(argv);
  const entries = OPTION_NAMES.map(name => {
    const option: OptionDescription = OPTIONS[name];
    const value = flags[option.flag] ?? env[environmentVariableOf(option)] ?? option.fallback;
    if (option.choices !== undefined && !option.choices.includes(value)) {
      throw new DriverError(
        'invalid-argument',
        `--${option.flag}: "${value}" is not one of ${option.choices.join(', ')}`,
      );
    }
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as Record<OptionName, string>;
}

function requireEndpoint(flag: string, value: string): string | undefined {
  if (value === '') return undefined;
  if (!/^unix:\/\/\/.|^tcp:\/\/.+:\d+$/.test(value)) {
    throw new DriverError(
      'invalid-argument',
      `--${flag}: "${value}" is neither unix:///path nor tcp://host:port`,
    );
  }
  return value;
}

function requireListenAddress(flag: string, value: string): ListenAddress | undefined {
  if (value === '') return undefined;
  const [, literal, name = '', port = ''] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value) ?? [];
  if (port !== '' && Number(port) <= 65_535) return { host: literal ?? name, port: Number(port) };
  throw new DriverError(
    'invalid-argument',
    `--${flag}: "${value}" is not HOST:PORT, [IPV6]:PORT or :PORT with a port of at most 65535`,
  );
}

/** CSI 1.12, GetPluginInfo: a domain name of at most 63 characters. */
function requireDriverName(flag: string, value: string): string {
  if (value.length <= 63 && /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(value)) return value;
  throw new DriverError(
    'invalid-argument',
    `--${flag}: "${value}" is not a driver name: at most 63 letters, digits, dots and dashes`,
  );
}

/**
 * The settings from flags, then environment variables, then defaults.
 * @param argv what stands behind `serve`.
 * @throws DriverError `invalid-argument` naming the flag, its value and what is valid.
 */
export function parseServeOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ServeOptions {
  const settings = readSettings(argv, env);
  const rbdEndpoint = requireEndpoint('rbd-endpoint', settings.rbdEndpoint);
  const cephfsEndpoint = requireEndpoint('cephfs-endpoint', settings.cephfsEndpoint);
  if (rbdEndpoint === undefined && cephfsEndpoint === undefined) {
    throw new DriverError('invalid-argument', 'give --rbd-endpoint, --cephfs-endpoint, or both');
  }
  if (rbdEndpoint === cephfsEndpoint) {
    throw new DriverError('invalid-argument', '--rbd-endpoint and --cephfs-endpoint have to differ');
  }
  const metricsAddress = requireListenAddress('metrics-address', settings.metricsAddress);
  return {
    servesController: settings.role !== 'node',
    servesNode: settings.role !== 'controller',
    ...(rbdEndpoint === undefined ? {} : { rbdEndpoint }),
    ...(cephfsEndpoint === undefined ? {} : { cephfsEndpoint }),
    rbdDriverName: requireDriverName('rbd-driver-name', settings.rbdDriverName),
    cephfsDriverName: requireDriverName('cephfs-driver-name', settings.cephfsDriverName),
    clustersFile: settings.clustersFile,
    ...(settings.credentialsDir === '' ? {} : { credentialsDir: settings.credentialsDir }),
    nodeId: settings.nodeId === '' ? hostname() : settings.nodeId,
    stateDir: settings.stateDir,
    cephTransport: settings.cephTransport as ServeOptions['cephTransport'],
    mapper: settings.mapper as ServeOptions['mapper'],
    mounter: settings.mounter as ServeOptions['mounter'],
    drainTimeout: parseDuration(settings.drainTimeout, '--drain-timeout'),
    ...(metricsAddress === undefined ? {} : { metricsAddress }),
    logLevel: settings.logLevel as ServeOptions['logLevel'],
  };
}

/** `--help` of `serve`: a paragraph for each setting. */
export function describeOptions(): string {
  return Object.values<OptionDescription>(OPTIONS)
    .map(option => {
      const choices = option.choices === undefined ? '' : ` (${option.choices.join(', ')})`;
      const fallback = option.fallback === '' ? '' : ` [default: ${option.fallback}]`;
      return `  --${option.flag} ${option.placeholder}   ($${environmentVariableOf(option)})\n      ${option.help}${choices}${fallback}`;
    })
    .join('\n');
}
