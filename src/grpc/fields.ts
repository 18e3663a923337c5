import type { CapacityRange__Output } from '../gen/csi/v1/CapacityRange.ts';
import type { CapacityRange } from '../model/bytes.ts';
import { DriverError } from '../model/errors.ts';
import { Secret, type Secrets } from '../model/secret.ts';
import type { Parameters } from '../model/volume.ts';

/** CSI 1.12, "Size Limits": bytes of a string field, unless the field says otherwise. */
export const MAXIMUM_TEXT = 128;
/** Bytes of all keys and values of a `map<string, string>`. */
const MAXIMUM_MAP = 4096;
/** Characters of a value that an error message repeats. */
const MAXIMUM_SHOWN = 80;

type WireMap = Record<string, string>;

/** A value as an error message shows it: quoted, and cut when it is long. */
export function showValue(value: string): string {
  return JSON.stringify(value.length > MAXIMUM_SHOWN ? `${value.slice(0, MAXIMUM_SHOWN)}…` : value);
}

/**
 * A text that may be empty.
 * @throws DriverError `invalid-argument` beyond `maximum` bytes, or with a control character other than the white
 *   space that CSI lets names contain.
 */
export function parseText(value: string, field: string, maximum: number = MAXIMUM_TEXT): string {
  const bytes = Buffer.byteLength(value);
  if (bytes > maximum) {
    throw new DriverError(
      'invalid-argument',
      `${field}: ${showValue(value)} has ${bytes} bytes; at most ${maximum} are allowed`,
    );
  }
  if (/[^\P{Cc}\t\n\r]/u.test(value)) {
    throw new DriverError(
      'invalid-argument',
      `${field}: ${showValue(value)} contains a control character; only printable text is allowed`,
    );
  }
  return value;
}

/** A text that must be there. @throws DriverError `invalid-argument`, as `parseText`, and when it is empty. */
export function requireText(value: string, field: string, maximum: number = MAXIMUM_TEXT): string {
  if (value === '') {
    throw new DriverError('invalid-argument', `${field}: is empty, and is required`);
  }
  return parseText(value, field, maximum);
}

/**
 * A map of texts.
 * @throws DriverError `invalid-argument` beyond 4 KiB, and for a NUL, which no program's argument can hold.
 */
export function parseMap(map: WireMap, field: string): Parameters {
  const entries = Object.entries(map);
  const bytes = entries.flat().reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MAXIMUM_MAP) {
    throw new DriverError(
      'invalid-argument',
      `${field}: keys and values have ${bytes} bytes in all; at most ${MAXIMUM_MAP} are allowed`,
    );
  }
  for (const [key, value] of entries) {
    if (key.includes('\0') || value.includes('\0')) {
      throw new DriverError('invalid-argument', `${field}: ${showValue(key)} contains a NUL character`);
    }
  }
  return Object.fromEntries(entries);
}

/** A map of texts, for the wire. */
export function formatMap(map: Parameters): WireMap {
  return Object.fromEntries(
    Object.entries(map).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/**
 * Secrets are not held to the limit of 4 KiB: a Kubernetes Secret may carry keys for others than this driver,
 * and the driver reads only the few that it knows.
 */
export function parseSecrets(map: WireMap): Secrets {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, new Secret(value)]));
}

/** An int64 of bytes, where 0 stands for "not given". @throws DriverError `invalid-argument` when it is negative. */
function parseBound(value: string, field: string): bigint | undefined {
  const bytes = BigInt(value);
  if (bytes < 0n) {
    throw new DriverError(
      'invalid-argument',
      `${field}: ${value} is negative; give a number of bytes, or 0 for no bound`,
    );
  }
  return bytes === 0n ? undefined : bytes;
}

/** Bytes; an absent or empty range bounds nothing. @throws DriverError `invalid-argument` for negative bytes. */
export function parseCapacityRange(range: CapacityRange__Output | null): CapacityRange {
  if (range === null) return {};
  const requiredBytes = parseBound(range.required_bytes, 'capacity_range.required_bytes');
  const limitBytes = parseBound(range.limit_bytes, 'capacity_range.limit_bytes');
  return {
    ...(requiredBytes === undefined ? {} : { requiredBytes }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
  };
}
