import { DriverError } from './errors.ts';

export const KIB = 1024n;
export const MIB = 1024n * KIB;
export const GIB = 1024n * MIB;
export const TIB = 1024n * GIB;

/** The size of a volume for which nothing was asked. */
export const DEFAULT_CAPACITY = GIB;

/** `CapacityRange` of CSI: bytes; 0 or absent means that this side is not bounded. */
export interface CapacityRange {
  readonly requiredBytes?: bigint;
  readonly limitBytes?: bigint;
}

/** The smallest multiple of `unit` that is not below `bytes`. */
export function roundUp(bytes: bigint, unit: bigint): bigint {
  return ((bytes + unit - 1n) / unit) * unit;
}

/** Bytes as a person reads them: `1 GiB`, `1.5 MiB`, `17 bytes`. */
export function formatBytes(bytes: bigint): string {
  const units = [
    ['TiB', TIB],
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', KIB],
  ] as const;
  for (const [name, unit] of units) {
    if (bytes >= unit) {
      const hundredths = (bytes * 100n) / unit;
      return `${String(Number(hundredths) / 100)} ${name}`;
    }
  }
  return `${String(bytes)} bytes`;
}

/** Whether an existing volume of `bytes` satisfies the range (CreateVolume's idempotency, CSI 1.12). */
export function fitsRange(bytes: bigint, range: CapacityRange): boolean {
  return (
    bytes >= (range.requiredBytes ?? 0n) && (range.limitBytes === undefined || bytes <= range.limitBytes)
  );
}

/**
 * The size to make a volume of: the required bytes rounded up to a whole `unit`.
 * @param fallback bytes when nothing is required; the limit wins when it is smaller.
 * @throws DriverError `out-of-range` when no multiple of `unit` lies within the range.
 */
export function chooseSize(range: CapacityRange, unit: bigint, fallback: bigint = DEFAULT_CAPACITY): bigint {
  const { requiredBytes, limitBytes } = range;
  if (requiredBytes !== undefined && limitBytes !== undefined && requiredBytes > limitBytes) {
    throw new DriverError(
      'out-of-range',
      `capacity_range: required_bytes ${String(requiredBytes)} is above limit_bytes ${String(limitBytes)}`,
    );
  }
  if (requiredBytes === undefined) {
    const size = roundUp(fallback, unit);
    if (limitBytes === undefined || size <= limitBytes) return size;
    const largest = (limitBytes / unit) * unit;
    if (largest > 0n) return largest;
  } else {
    const size = roundUp(requiredBytes, unit);
    if (limitBytes === undefined || size <= limitBytes) return size;
  }
  throw new DriverError(
    'out-of-range',
    `capacity_range: sizes are multiples of ${formatBytes(unit)}, and none lies between required_bytes ` +
      `${String(requiredBytes ?? 0n)} and limit_bytes ${String(limitBytes)}`,
  );
}
