import type { ImageFeature } from '../ceph/rbd-export-stream.ts';
import { DriverError } from '../model/errors.ts';
import type { Parameters } from '../model/volume.ts';
import { parseFeatures } from './features.ts';
import { LIMIT_KEYS, parseLimits, type Limits } from './qos.ts';

/** What a VolumeAttributesClass says of a volume; what it does not say stays as it is. */
export interface VolumeAttributes {
  readonly limits: Limits;
  readonly features?: readonly ImageFeature[];
}

const KEYS: readonly string[] = [...LIMIT_KEYS, 'imageFeatures'];

/**
 * Reads the parameters of a VolumeAttributesClass.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid.
 */
export function parseAttributes(mutableParameters: Parameters): VolumeAttributes {
  const unknown = Object.keys(mutableParameters).find(key => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new DriverError(
      'invalid-argument',
      `mutable_parameters: "${unknown}" is unknown; known are ${KEYS.join(', ')}`,
    );
  }
  const features = parseFeatures('mutable_parameters', mutableParameters['imageFeatures']);
  return { limits: parseLimits(mutableParameters), ...(features === undefined ? {} : { features }) };
}
