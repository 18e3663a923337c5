import { DriverError } from '../model/errors.ts';
import type { Parameters } from '../model/volume.ts';

/** What users call a limit, and the option of librbd that it is; all are for one second. */
const OPTIONS = {
  maxIops: 'rbd_qos_iops_limit',
  maxReadIops: 'rbd_qos_read_iops_limit',
  maxWriteIops: 'rbd_qos_write_iops_limit',
  maxBps: 'rbd_qos_bps_limit',
  maxReadBps: 'rbd_qos_read_bps_limit',
  maxWriteBps: 'rbd_qos_write_bps_limit',
} as const;

export const LIMIT_KEYS = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

/** The options of all limits. */
export const LIMIT_OPTIONS: readonly string[] = Object.values(OPTIONS);

/** Limits by the option of librbd; 0: none. */
export type Limits = ReadonlyMap<string, bigint>;

export function hasLimits(limits: Limits): boolean {
  return [...limits.values()].some(limit => limit > 0n);
}

const UNITS: Readonly<Partial<Record<string, bigint>>> = { '': 1n, K: 1n << 10n, M: 1n << 20n, G: 1n << 30n };

function parseLimit(key: string, value: string): bigint {
  const match = /^([0-9]{1,15})([KMG]?)$/.exec(value.trim());
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined || (match[2] !== '' && key.endsWith('Iops'))) {
    const valid = key.endsWith('Iops')
      ? 'a number of operations a second'
      : 'a number of bytes a second, such as 104857600, 100M or 1G';
    throw new DriverError(
      'invalid-argument',
      `mutable_parameters: ${key} "${value}" is not ${valid}; 0 takes the limit away`,
    );
  }
  return BigInt(match[1] ?? '0') * unit;
}

/**
 * The limits among the parameters of a VolumeAttributesClass. Keys that are not there are not in the result.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid.
 */
export function parseLimits(mutableParameters: Parameters): Limits {
  const limits = new Map<string, bigint>();
  for (const key of LIMIT_KEYS) {
    const value = mutableParameters[key];
    if (value !== undefined) limits.set(OPTIONS[key], parseLimit(key, value));
  }
  return limits;
}
