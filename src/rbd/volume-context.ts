import { DriverError } from '../model/errors.ts';
import type { Parameters } from '../model/volume.ts';

/** How an image becomes a block device on a node. */
export type Mounter = 'krbd' | 'nbd' | 'fuse';

const MOUNTERS: readonly Mounter[] = ['krbd', 'nbd', 'fuse'];

/** `mounter` as users write it; the Go driver says `rbd` and `rbd-nbd`. `auto`: the first that the node can do. */
const MOUNTER_NAMES: Readonly<Partial<Record<string, Mounter | 'auto'>>> = {
  rbd: 'krbd',
  krbd: 'krbd',
  'rbd-nbd': 'nbd',
  nbd: 'nbd',
  fuse: 'fuse',
  auto: 'auto',
};

/** Options of `rbd device map` or `unmap`, for each mounter. */
export type MounterOptions = Readonly<Partial<Record<Mounter, readonly string[]>>>;

/** An image that an administrator made, of a PersistentVolume whose handle this driver did not write. */
export interface StaticImage {
  readonly clusterId: string;
  readonly pool: string;
  readonly namespace?: string;
  readonly image: string;
}

/** What the node needs to know of a volume beyond its handle: the typed `volume_context`. */
export interface VolumeContext {
  /** Absent: the node's own preference. */
  readonly mounter?: Mounter | 'auto';
  /** Whether another mounter may do when the wanted one is not possible on the node. */
  readonly tryOtherMounters: boolean;
  readonly mapOptions: MounterOptions;
  readonly unmapOptions: MounterOptions;
  /** Instead of the driver's own options of mkfs. */
  readonly mkfsOptions?: readonly string[];
  /** Whether the image holds an encrypted device, and the data is in there. */
  readonly encrypted: boolean;
  readonly staticImage?: StaticImage;
}

/** The keys of StorageClass parameters that go into the volume context as they are. */
export const CONTEXT_KEYS = [
  'mounter',
  'tryOtherMounters',
  'mapOptions',
  'unmapOptions',
  'mkfsOptions',
  'encrypted',
] as const;

/** @throws DriverError `invalid-argument` naming the key, the value and what is valid. */
export function parseBoolean(key: string, value: string | undefined): boolean {
  if (value === undefined || value === '' || value === 'false') return false;
  if (value === 'true') return true;
  throw new DriverError('invalid-argument', `${key}: "${value}" is neither true nor false`);
}

function parseMounter(value: string): Mounter | 'auto' {
  const mounter = MOUNTER_NAMES[value];
  if (mounter !== undefined) return mounter;
  const known = Object.keys(MOUNTER_NAMES).join(', ');
  throw new DriverError('invalid-argument', `mounter: "${value}" is not one of ${known}`);
}

/**
 * `krbd:a,b;nbd:c` → the options of each mounter; options without a mounter in front are for krbd. A colon
 * inside an option is its own (`krbd:crush_location=host:a`).
 */
function parseMounterOptions(key: string, value: string): MounterOptions {
  const options: Partial<Record<Mounter, readonly string[]>> = {};
  for (const part of value.split(';').map(text => text.trim())) {
    if (part === '') continue;
    const match = /^([a-z][a-z-]*):(.*)$/s.exec(part);
    const mounter = match === null ? 'krbd' : MOUNTER_NAMES[match[1] ?? ''];
    if (mounter === undefined || mounter === 'auto') {
      throw new DriverError(
        'invalid-argument',
        `${key}: "${part}" does not begin with one of ${MOUNTERS.join(':, ')}:`,
      );
    }
    const list = (match?.[2] ?? part).split(',').map(text => text.trim());
    const given = list.filter(text => text !== '');
    const bad = given.find(text => text.startsWith('-') || /\s/.test(text));
    if (bad !== undefined) {
      throw new DriverError('invalid-argument', `${key}: "${bad}" is not an option such as rxbounce`);
    }
    options[mounter] = [...(options[mounter] ?? []), ...given];
  }
  return options;
}

function parseStaticImage(volumeId: string, context: Parameters): StaticImage {
  const { clusterID: clusterId, pool, radosNamespace: namespace, imageName } = context;
  if (clusterId === undefined || clusterId === '' || pool === undefined || pool === '') {
    throw new DriverError('invalid-argument', 'volume_context: a static volume needs clusterID and pool');
  }
  return {
    clusterId,
    pool,
    ...(namespace === undefined || namespace === '' ? {} : { namespace }),
    image: imageName === undefined || imageName === '' ? volumeId : imageName,
  };
}

/**
 * Reads a volume context, or the same keys of StorageClass parameters. Other keys are left alone: kubelet adds
 * some, and so did the driver that a PersistentVolume may come from.
 * @param volumeId names the image of a static volume that gives no `imageName`.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid.
 */
export function parseVolumeContext(volumeId: string, context: Parameters): VolumeContext {
  const { mounter, mkfsOptions } = context;
  const words = (mkfsOptions ?? '').split(/\s+/).filter(word => word !== '');
  return {
    ...(mounter === undefined || mounter === '' ? {} : { mounter: parseMounter(mounter) }),
    tryOtherMounters: parseBoolean('tryOtherMounters', context['tryOtherMounters']),
    mapOptions: parseMounterOptions('mapOptions', context['mapOptions'] ?? ''),
    unmapOptions: parseMounterOptions('unmapOptions', context['unmapOptions'] ?? ''),
    ...(words.length === 0 ? {} : { mkfsOptions: words }),
    encrypted: parseBoolean('encrypted', context['encrypted']),
    ...(parseBoolean('staticVolume', context['staticVolume'])
      ? { staticImage: parseStaticImage(volumeId, context) }
      : {}),
  };
}

/** The volume context of a volume made with these StorageClass parameters, as the user wrote them. */
export function writeVolumeContext(parameters: Parameters): Parameters {
  const entries = CONTEXT_KEYS.map(key => [key, parameters[key]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== ''));
}
