import { hostname } from 'node:os';
import { DriverError } from '../model/errors.ts';
import { parseDuration } from './clusters.ts';
import { shortName } from './node-topology.ts';
import { OPTIONS } from './option-table.ts';
import { readSettings } from './settings.ts';

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
  /** Whether kernel clients are to read from the nearest replica; see `ReadAffinity`. */
  readonly readAffinity: boolean;
  /** The labels that make up a node's topology; none: all nodes reach all RBD volumes. */
  readonly domainLabels: readonly string[];
  /** How far images may grow into each other; see `RbdLimits`. */
  readonly rbdLimits: {
    readonly comfortableDepth: number;
    readonly mostDepth: number;
    readonly comfortableSnapshots: number;
    readonly mostSnapshots: number;
  };
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Absent: no metrics. */
  readonly metricsAddress?: ListenAddress;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

type OptionName = keyof typeof OPTIONS;
type Settings = Readonly<Record<OptionName, string>>;

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

/** Kubernetes: an optional DNS name and a slash, then up to 63 characters. Their short names must differ. */
function parseLabelNames(flag: string, value: string): readonly string[] {
  const names = value.split(',').flatMap(name => (name.trim() === '' ? [] : [name.trim()]));
  const wrong = names.find(
    (name, index) =>
      !/^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(name) ||
      names.slice(0, index).some(earlier => shortName(earlier) === shortName(name)),
  );
  if (wrong === undefined) return names;
  throw new DriverError(
    'invalid-argument',
    `--${flag}: "${wrong}" is not the name of a label, or another one ends alike; give names such as ` +
      'topology.kubernetes.io/zone, separated by commas',
  );
}

function requireCount(flag: string, value: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(value)) return Number(value);
  throw new DriverError('invalid-argument', `--${flag}: "${value}" is not a whole number from 1 to 99999`);
}

/** @throws DriverError `invalid-argument` when the soft limit is above the hard one. */
function requireLimits(soft: OptionName, hard: OptionName, settings: Settings): readonly [number, number] {
  const [{ flag: softFlag }, { flag: hardFlag }] = [OPTIONS[soft], OPTIONS[hard]];
  const limits = [requireCount(softFlag, settings[soft]), requireCount(hardFlag, settings[hard])] as const;
  if (limits[0] <= limits[1]) return limits;
  throw new DriverError(
    'invalid-argument',
    `--${softFlag}: "${settings[soft]}" is more than --${hardFlag} "${settings[hard]}"`,
  );
}

function parseRbdLimits(settings: Settings): ServeOptions['rbdLimits'] {
  const [comfortableDepth, mostDepth] = requireLimits(
    'rbdSoftMaxCloneDepth',
    'rbdHardMaxCloneDepth',
    settings,
  );
  const [comfortableSnapshots, mostSnapshots] = requireLimits(
    'rbdSoftMaxSnapshots',
    'rbdHardMaxSnapshots',
    settings,
  );
  return { comfortableDepth, mostDepth, comfortableSnapshots, mostSnapshots };
}

/**
 * The settings from flags, then environment variables, then defaults.
 * @param argv what stands behind `serve`.
 * @throws DriverError `invalid-argument` naming the flag, its value and what is valid.
 */
export function parseServeOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ServeOptions {
  const settings = readSettings(OPTIONS, argv, env);
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
    readAffinity: settings.readAffinity === 'true',
    domainLabels: parseLabelNames('domain-labels', settings.domainLabels),
    rbdLimits: parseRbdLimits(settings),
    drainTimeout: parseDuration(settings.drainTimeout, '--drain-timeout'),
    ...(metricsAddress === undefined ? {} : { metricsAddress }),
    logLevel: settings.logLevel as ServeOptions['logLevel'],
  };
}
