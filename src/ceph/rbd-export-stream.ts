/** The properties of an image that `rbd import` takes from an export stream of version 2. */
export interface ImageLayout {
  readonly sizeBytes: bigint;
  /** log2 of the object size. */
  readonly order: number;
  /** Names as `rbd create --image-feature` takes them. */
  readonly features: readonly ImageFeature[];
  readonly stripeUnit: bigint;
  readonly stripeCount: bigint;
}

/** Bits of the features that a user can choose. */
export const FEATURE_BITS = {
  layering: 1n,
  'exclusive-lock': 4n,
  'object-map': 8n,
  'fast-diff': 16n,
  'deep-flatten': 32n,
  journaling: 64n,
} as const;

export type ImageFeature = keyof typeof FEATURE_BITS;

/** A layout as the operations of src/ceph/session take it; 0: as Ceph likes. */
export function layoutOperand(layout: Omit<ImageLayout, 'sizeBytes'>): Readonly<Record<string, unknown>> {
  const { order, features, stripeUnit, stripeCount } = layout;
  const isStriped = stripeCount !== 1n;
  return {
    order,
    features,
    stripe_unit: isStriped ? Number(stripeUnit) : 0,
    stripe_count: isStriped ? Number(stripeCount) : 0,
  };
}

function number64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}

/** A tag, the length of what follows, and the bytes. */
function field(tag: string, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(tag), number64(BigInt(content.length)), content]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/**
 * An empty image as `rbd export --export-format 2` would write it. Importing it makes the image with all its
 * metadata in one process, where `rbd create` and `rbd image-meta set` would take one for each key. `rbd import` sets
 * the metadata last, in the order of the sorted keys.
 */
export function writeExportStream(layout: ImageLayout, metadata: ReadonlyMap<string, string>): Buffer {
  const features = layout.features.reduce((bits, name) => bits | FEATURE_BITS[name], 0n);
  return Buffer.concat([
    Buffer.from('rbd image v2\n'),
    field('O', number64(BigInt(layout.order))),
    field('T', number64(features)),
    field('U', number64(layout.stripeUnit)),
    field('C', number64(layout.stripeCount)),
    ...[...metadata].map(([key, value]) => field('M', Buffer.concat([text(key), text(value)]))),
    Buffer.from('E'),
    Buffer.from('rbd image diffs v2\n'),
    number64(1n),
    Buffer.from('rbd diff v2\n'),
    field('s', number64(layout.sizeBytes)),
    Buffer.from('e'),
  ]);
}
