import type { ImageFeature } from '../ceph/rbd-export-stream.ts';
import { parseDuration } from '../config/clusters.ts';
import type { Log } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Accessibility, Parameters } from '../model/volume.ts';
import { DEFAULT_FEATURES, parseFeatures } from './features.ts';
import { isName } from './places.ts';
import { choosePools, type ImagePool } from './topology.ts';
import { CONTEXT_KEYS, parseVolumeContext, writeVolumeContext } from './volume-context.ts';

/** What a StorageClass says of the images to be made. */
export interface ImageParameters {
  readonly clusterId: string;
  readonly pool: ImagePool;
  /** Where else a class that constrains its pools by topology has images. */
  readonly otherPools: readonly ImagePool[];
  readonly features: readonly ImageFeature[];
  /** log2 of the object size. */
  readonly order: number;
  readonly stripeUnit: bigint;
  readonly stripeCount: bigint;
  readonly namePrefix: string;
  /** Milliseconds; absent: what the cluster's configuration says. */
  readonly retention?: number;
  /** Image metadata: which claim the volume is for. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The `volume_context` for the node. */
  readonly context: Parameters;
}

const KNOWN = [
  'clusterID',
  'pool',
  'dataPool',
  'topologyConstrainedPools',
  'imageFeatures',
  'objectSize',
  'stripeUnit',
  'stripeCount',
  'volumeNamePrefix',
  'deletedVolumeRetention',
  ...CONTEXT_KEYS,
] as const;

/** Keys of the Go driver's classes that mean nothing here. */
const IGNORED = [
  'cephLogDir',
  'cephLogStrategy',
  'encryptionKMSID',
  'encryptionType',
  'encryptionCipher',
  'encryptionKeySize',
  'encryptionSectorSize',
];

const KUBERNETES = 'csi.storage.k8s.io/';
const METADATA_KEYS = ['pvc/name', 'pvc/namespace', 'pv/name'].map(key => `${KUBERNETES}${key}`);

const DEFAULT_ORDER = 22;
/** 4 KiB and 32 MiB, what librbd takes. */
const ORDERS = { least: 12, most: 25 } as const;

function invalid(key: string, value: string, expected: string): DriverError {
  return new DriverError('invalid-argument', `parameters: ${key} "${value}" ${expected}`);
}

/** The parameters without Kubernetes's own keys and the keys of no use here. @throws DriverError for unknown keys. */
function selectKnown(parameters: Parameters, known: readonly string[], log: Log): Parameters {
  const keys = Object.keys(parameters).filter(key => !key.startsWith(KUBERNETES));
  const ignored = keys.filter(key => IGNORED.includes(key));
  if (ignored.length > 0) log.warn({ parameters: ignored }, 'parameters that this driver does not use');
  const unknown = keys.find(key => !known.includes(key) && !IGNORED.includes(key));
  if (unknown === undefined) return parameters;
  throw new DriverError(
    'invalid-argument',
    `parameters: "${unknown}" is unknown; known are ${known.join(', ')}`,
  );
}

function requireValue(parameters: Parameters, key: string): string {
  const value = parameters[key];
  if (value !== undefined && value !== '') return value;
  throw new DriverError('invalid-argument', `parameters: ${key} is missing`);
}

function parsePool(key: string, value: string): string {
  if (isName(value)) return value;
  throw invalid(key, value, 'is not the name of a pool');
}

/**
 * The pool of the class, or one that is reached from where the volume has to be. A class that constrains its pools may
 * name one for volumes that may be anywhere.
 */
function choosePool(
  parameters: Parameters,
  accessibility: Accessibility | undefined,
): Pick<ImageParameters, 'pool' | 'otherPools'> {
  const { topologyConstrainedPools: constrained = '', pool = '', dataPool = '' } = parameters;
  if (constrained !== '' && (accessibility !== undefined || pool === '')) {
    const [best, ...otherPools] = choosePools(constrained, accessibility ?? { requisite: [], preferred: [] });
    return { pool: best, otherPools };
  }
  const name = parsePool('pool', requireValue(parameters, 'pool'));
  if (dataPool === '') return { pool: { name }, otherPools: [] };
  return { pool: { name, dataPool: parsePool('dataPool', dataPool) }, otherPools: [] };
}

/** `4194304`, `4M`, `64K` → bytes. */
function parseBytes(key: string, value: string): bigint {
  const match = /^([1-9][0-9]{0,9})([KM]?)(?:i?B)?$/.exec(value);
  if (match === null) throw invalid(key, value, 'is not a size such as 4194304, 64K or 4M');
  const unit = { '': 1n, K: 1024n, M: 1024n * 1024n }[match[2] ?? ''] ?? 1n;
  return BigInt(match[1] ?? '') * unit;
}

function parseOrder(value: string | undefined): number {
  if (value === undefined || value === '') return DEFAULT_ORDER;
  const order = Math.log2(Number(parseBytes('objectSize', value)));
  if (Number.isInteger(order) && order >= ORDERS.least && order <= ORDERS.most) return order;
  throw invalid('objectSize', value, 'is not a power of two from 4K to 32M');
}

function parseStriping(parameters: Parameters, order: number) {
  const { stripeUnit: unit = '', stripeCount: count = '' } = parameters;
  const objectSize = 1n << BigInt(order);
  if (unit === '' && count === '') return { stripeUnit: objectSize, stripeCount: 1n };
  const stripeUnit = parseBytes('stripeUnit', requireValue(parameters, 'stripeUnit'));
  if (stripeUnit > objectSize || objectSize % stripeUnit !== 0n) {
    throw invalid('stripeUnit', unit, `does not divide the object size, ${String(objectSize)} bytes`);
  }
  if (!/^[1-9][0-9]{0,3}$/.test(requireValue(parameters, 'stripeCount'))) {
    throw invalid('stripeCount', count, 'is not a number of objects');
  }
  return { stripeUnit, stripeCount: BigInt(count) };
}

/** A prefix of names in Ceph that an `rbd` image spec can hold. */
export function parsePrefix(key: string, value: string | undefined, fallback: string): string {
  if (value === undefined || value === '') return fallback;
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,29}$/.test(value) && !/^csi-(deleted|clone)-/.test(value)) return value;
  throw invalid(key, value, 'is not a prefix of at most 30 letters, digits, dots, dashes and underscores');
}

/** Of an encrypted volume, none of these can be passed over: data would be protected otherwise than was asked for. */
function requireEncryptable(parameters: Parameters): void {
  const { encryptionKMSID: kms = '', encryptionType: type = '' } = parameters;
  if (kms !== '') {
    throw invalid(
      'encryptionKMSID',
      kms,
      "is not supported: the passphrase is the Secret's encryptionPassphrase",
    );
  }
  if (type !== '' && type !== 'block') {
    throw invalid(
      'encryptionType',
      type,
      'is not supported: volumes are encrypted as block devices ("block")',
    );
  }
  for (const key of ['encryptionCipher', 'encryptionKeySize', 'encryptionSectorSize']) {
    const value = parameters[key] ?? '';
    if (value !== '')
      throw invalid(key, value, "is not supported: cryptsetup's own choice for LUKS2 is used");
  }
}

function selectMetadata(parameters: Parameters): ReadonlyMap<string, string> {
  const entries = METADATA_KEYS.flatMap(key => {
    const value = parameters[key];
    return value === undefined || value === '' ? [] : [[key, value] as const];
  });
  return new Map(entries);
}

/**
 * Reads the parameters of a StorageClass.
 * @param accessibility from where the volume has to be reached.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid; `resource-exhausted` when the class
 *   has no pool that is reached from there.
 */
export function parseImageParameters(
  given: Parameters,
  log: Log,
  accessibility?: Accessibility,
): ImageParameters {
  const parameters = selectKnown(given, KNOWN, log);
  const { deletedVolumeRetention: retention } = parameters;
  if (parseVolumeContext('', parameters).encrypted) requireEncryptable(parameters);
  const order = parseOrder(parameters['objectSize']);
  return {
    clusterId: requireValue(parameters, 'clusterID'),
    ...choosePool(parameters, accessibility),
    features: parseFeatures('parameters', parameters['imageFeatures']) ?? DEFAULT_FEATURES,
    order,
    ...parseStriping(parameters, order),
    namePrefix: parsePrefix('volumeNamePrefix', parameters['volumeNamePrefix'], 'csi-vol-'),
    ...(retention === undefined || retention === ''
      ? {}
      : { retention: parseDuration(retention, 'parameters: deletedVolumeRetention') }),
    metadata: selectMetadata(parameters),
    context: writeVolumeContext(parameters),
  };
}

/** Where a VolumeGroupSnapshotClass says that group snapshots are. @throws DriverError `invalid-argument` */
export function parseGroupParameters(
  given: Parameters,
  log: Log,
): { readonly clusterId?: string; readonly pool?: string } {
  const { clusterID, pool } = selectKnown(given, ['clusterID', 'pool'], log);
  return {
    ...(clusterID === undefined || clusterID === '' ? {} : { clusterId: clusterID }),
    ...(pool === undefined || pool === '' ? {} : { pool: parsePool('pool', pool) }),
  };
}

const SNAPSHOT_KEYS = ['clusterID', 'snapshotNamePrefix', 'pool'];

/** The prefix of snapshot names that a VolumeSnapshotClass asks for. @throws DriverError `invalid-argument` */
export function parseSnapshotPrefix(given: Parameters, log: Log): string {
  const parameters = selectKnown(given, SNAPSHOT_KEYS, log);
  return parsePrefix('snapshotNamePrefix', parameters['snapshotNamePrefix'], 'csi-snap-');
}
