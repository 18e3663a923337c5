import { DriverError } from '../model/errors.ts';
import type { AccessMode, VolumeCapability } from '../model/volume.ts';

/** Whether a mode lets nobody write. */
export function isReaderOnly(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}

/** Why CephFS cannot do what is asked, or undefined when it can: all access modes, but no raw block devices. */
export function describeUnsupported(
  capabilities: readonly VolumeCapability[],
  volume: { readonly readOnly: boolean },
): string | undefined {
  if (capabilities.some(({ access }) => access.type === 'block')) {
    return 'CephFS volumes are file systems: access_type block is not possible, mount is';
  }
  if (volume.readOnly && !capabilities.every(({ mode }) => isReaderOnly(mode))) {
    return (
      'a volume with backingSnapshot cannot be written: the access mode has to be MULTI_NODE_READER_ONLY or ' +
      'SINGLE_NODE_READER_ONLY'
    );
  }
  return undefined;
}

/** @throws DriverError `invalid-argument` for what CephFS cannot do. */
export function requireSupported(
  capabilities: readonly VolumeCapability[],
  volume: { readonly readOnly: boolean },
): void {
  const why = describeUnsupported(capabilities, volume);
  if (why !== undefined) throw new DriverError('invalid-argument', `volume_capabilities: ${why}`);
}
