import type { VolumeCapability__Output } from '../gen/csi/v1/VolumeCapability.ts';
import { DriverError } from '../model/errors.ts';
import type { AccessMode, AccessType, VolumeCapability } from '../model/volume.ts';
import { MAXIMUM_TEXT, parseText, showValue } from './fields.ts';

/** CSI 1.12, `MountVolume.mount_flags`: bytes of all flags. */
const MAXIMUM_FLAGS = 4096;

const ACCESS_MODES: ReadonlyMap<string, AccessMode> = new Map([
  ['SINGLE_NODE_WRITER', 'single-node-writer'],
  ['SINGLE_NODE_READER_ONLY', 'single-node-reader-only'],
  ['SINGLE_NODE_SINGLE_WRITER', 'single-node-single-writer'],
  ['SINGLE_NODE_MULTI_WRITER', 'single-node-multi-writer'],
  ['MULTI_NODE_READER_ONLY', 'multi-node-reader-only'],
  ['MULTI_NODE_SINGLE_WRITER', 'multi-node-single-writer'],
  ['MULTI_NODE_MULTI_WRITER', 'multi-node-multi-writer'],
]);

function parseMountFlags(flags: readonly string[], field: string): readonly string[] {
  const bytes = flags.reduce((sum, flag) => sum + Buffer.byteLength(flag), 0);
  if (bytes > MAXIMUM_FLAGS) {
    throw new DriverError(
      'invalid-argument',
      `${field}: has ${bytes} bytes in all; at most ${MAXIMUM_FLAGS} are allowed`,
    );
  }
  return flags.map((flag, index) => parseText(flag, `${field}[${index}]`, MAXIMUM_FLAGS));
}

function parseAccess(wire: VolumeCapability__Output, field: string): AccessType {
  if (wire.block) return { type: 'block' };
  if (!wire.mount) {
    throw new DriverError('invalid-argument', `${field}.access_type: is not set; give either block or mount`);
  }
  const fsType = parseText(wire.mount.fs_type, `${field}.mount.fs_type`, MAXIMUM_TEXT);
  const group = parseText(wire.mount.volume_mount_group, `${field}.mount.volume_mount_group`, MAXIMUM_TEXT);
  return {
    type: 'mount',
    mountFlags: parseMountFlags(wire.mount.mount_flags, `${field}.mount.mount_flags`),
    ...(fsType === '' ? {} : { fsType }),
    ...(group === '' ? {} : { volumeMountGroup: group }),
  };
}

function parseAccessMode(wire: VolumeCapability__Output, field: string): AccessMode {
  const valid = `one of ${[...ACCESS_MODES.keys()].join(', ')}`;
  if (wire.access_mode === null) {
    throw new DriverError('invalid-argument', `${field}.access_mode: is not set; give ${valid}`);
  }
  // UNKNOWN, or a number that the proto does not know, which arrives as one whatever the generated type says.
  const name = wire.access_mode.mode;
  const mode = ACCESS_MODES.get(name);
  if (mode === undefined) {
    throw new DriverError(
      'invalid-argument',
      `${field}.access_mode.mode: ${showValue(name)} is not known; give ${valid}`,
    );
  }
  return mode;
}

/** One capability. @throws DriverError `invalid-argument` naming what of it is absent or not known. */
export function parseCapability(wire: VolumeCapability__Output | null, field: string): VolumeCapability {
  if (wire === null) throw new DriverError('invalid-argument', `${field}: is not set, and is required`);
  return { access: parseAccess(wire, field), mode: parseAccessMode(wire, field) };
}

/** A list of capabilities, which may be empty. @throws DriverError `invalid-argument`, as `parseCapability`. */
export function parseCapabilities(
  wire: readonly VolumeCapability__Output[],
  field: string,
): readonly VolumeCapability[] {
  return wire.map((capability, index) => parseCapability(capability, `${field}[${index}]`));
}

/** Whether the volume may not be written through a capability of this mode. */
export function isReaderOnly(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}
