import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { pinSubvolume, type PinType, type SubvolumePlace } from '../ceph/fs-subvolume.ts';
import { DriverError } from '../model/errors.ts';
import type { Parameters } from '../model/volume.ts';

interface PinKind {
  readonly type: PinType;
  readonly isValid: (value: string) => boolean;
  readonly valid: string;
}

/** The keys of a VolumeAttributesClass, each with what Ceph calls it. They do not exclude each other. */
const KINDS: Readonly<Record<string, PinKind>> = {
  exportPin: {
    type: 'export',
    isValid: value => /^(-1|0|[1-9][0-9]{0,2})$/.test(value),
    valid: 'the rank of a metadata server, or -1 for none',
  },
  distributedPin: {
    type: 'distributed',
    isValid: value => value === '0' || value === '1',
    valid: '1 (on) or 0 (off)',
  },
  randomPin: {
    type: 'random',
    isValid: value => /^(0(\.[0-9]+)?|1(\.0+)?)$/.test(value),
    valid: 'a share of the directories from 0 (off) to 1, such as 0.01',
  },
};

/** Binds a volume's directories to metadata servers. */
export interface Pin {
  readonly type: PinType;
  readonly setting: string;
}

/**
 * Reads the parameters of a VolumeAttributesClass. What is not named is not in the result, and stays as it is.
 * @throws DriverError `invalid-argument` naming the key, the value and what is valid.
 */
export function parsePins(mutableParameters: Parameters): readonly Pin[] {
  return Object.entries(mutableParameters).map(([key, value = '']) => {
    const kind = Object.hasOwn(KINDS, key) ? KINDS[key] : undefined;
    if (kind === undefined) {
      throw new DriverError(
        'invalid-argument',
        `mutable_parameters: "${key}" is unknown; known are ${Object.keys(KINDS).join(', ')}`,
      );
    }
    const setting = value.trim();
    if (kind.isValid(setting)) return { type: kind.type, setting };
    throw new DriverError('invalid-argument', `mutable_parameters: ${key} "${value}" is not ${kind.valid}`);
  });
}

/** Sets the pins; each can be set again. */
export async function applyPins(
  place: SubvolumePlace,
  pins: readonly Pin[],
  access: ClusterAccess,
): Promise<void> {
  for (const pin of pins) await pinSubvolume(place, pin, access);
}
