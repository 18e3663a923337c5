import { FEATURE_BITS, type ImageFeature } from '../ceph/rbd-export-stream.ts';
import { DriverError } from '../model/errors.ts';

export const DEFAULT_FEATURES = [
  'layering',
  'exclusive-lock',
  'object-map',
  'fast-diff',
  'deep-flatten',
] as const;

/** What a feature cannot do without. */
const NEEDS: Readonly<Partial<Record<ImageFeature, ImageFeature>>> = {
  'object-map': 'exclusive-lock',
  'fast-diff': 'object-map',
  journaling: 'exclusive-lock',
};

function isFeature(name: string): name is ImageFeature {
  return Object.hasOwn(FEATURE_BITS, name);
}

function invalid(source: string, value: string, why: string): DriverError {
  return new DriverError('invalid-argument', `${source}: imageFeatures "${value}" ${why}`);
}

/**
 * Reads a list of features, divided by commas; undefined when it names none.
 * @param source what the message names: `parameters` or `mutable_parameters`.
 * @throws DriverError `invalid-argument`
 */
export function parseFeatures(
  source: string,
  value: string | undefined,
): readonly ImageFeature[] | undefined {
  const names = (value ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '');
  if (names.length === 0) return undefined;
  const features = names.map(name => {
    if (isFeature(name)) return name;
    throw invalid(source, name, `is not one of ${Object.keys(FEATURE_BITS).join(', ')}`);
  });
  for (const feature of features) {
    const needed = NEEDS[feature];
    if (needed !== undefined && !features.includes(needed)) {
      throw invalid(source, names.join(','), `has ${feature}, which needs ${needed}`);
    }
  }
  return features;
}

/** What an image is to get and to lose. */
export interface FeatureChange {
  readonly enable: readonly ImageFeature[];
  readonly disable: readonly ImageFeature[];
}

/** What Ceph never gives to an image that is there; `layering` cannot be taken away either. */
const FROM_THE_START: readonly ImageFeature[] = ['layering', 'deep-flatten'];

/**
 * How an image comes to have the features `wanted`; what a user cannot choose (a data pool, striping) stays.
 * @throws DriverError `invalid-argument` when Ceph cannot change an image that way.
 */
export function planFeatureChange(
  present: readonly string[],
  wanted: readonly ImageFeature[],
): FeatureChange {
  const enable = wanted.filter(feature => !present.includes(feature));
  const disable = present.filter(isFeature).filter(feature => !wanted.includes(feature));
  const late = enable.find(feature => FROM_THE_START.includes(feature));
  if (late !== undefined) {
    throw invalid(
      'mutable_parameters',
      wanted.join(','),
      `has ${late}, which a volume has from the start or never`,
    );
  }
  if (disable.includes('layering')) {
    throw invalid(
      'mutable_parameters',
      wanted.join(','),
      'lacks layering, which cannot be taken from a volume',
    );
  }
  return { enable, disable };
}
