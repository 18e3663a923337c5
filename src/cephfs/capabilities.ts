import { DriverError } from '../model/errors.ts';
import type { AccessMode, VolumeCapability } from '../model/volume.ts';

/** Whether a mode lets nobody write. */
export function isReaderOnly(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}

/** Why CephFS cannot do what is asked, or undefined when it can: all access modes, but no raw block devices. */
export function describeUnsupported(capabilities: readonly VolumeCapability[]): string | undefined {
  if (capabilities.every(({ access }) => access.type === 'mount')) return undefined;
  return 'CephFS volumes are file systems: access_type block is not possible, mount is';
}

/** @throws DriverError `invalid-argument` unless nobody is to write: for views of snapshots. */
export function requireReaders(capabilities: readonly VolumeCapability[]): void {
  const writer = capabilities.find(({ mode }) => !isReaderOnly(mode));
  if (writer === undefined) return;
  throw new DriverError('invalid-argument', `volume_capabilities: ${describeWriter(writer)}`);
}

/** Why a view of a snapshot cannot be used with a mode that writes. */
export function describeWriter({ mode }: Pick<VolumeCapability, 'mode'>): string {
  return (
    `access mode ${mode} is not possible for a view of a snapshot (backingSnapshot), which can only be read; ` +
    'ask for multi-node-reader-only (ReadOnlyMany)'
  );
}

/** @throws DriverError `invalid-argument` for what CephFS cannot do. */
export function requireSupported(capabilities: readonly VolumeCapability[]): void {
  const why = describeUnsupported(capabilities);
  if (why !== undefined) throw new DriverError('invalid-argument', `volume_capabilities: ${why}`);
}
