import { DriverError } from '../model/errors.ts';
import type { AccessMode, VolumeCapability } from '../model/volume.ts';

const FILE_SYSTEM_MODES: readonly AccessMode[] = [
  'single-node-writer',
  'single-node-reader-only',
  'single-node-single-writer',
  'single-node-multi-writer',
  'multi-node-reader-only',
];
const BLOCK_MODES: readonly AccessMode[] = [...FILE_SYSTEM_MODES, 'multi-node-multi-writer'];

const FILE_SYSTEMS = ['ext4', 'xfs', 'btrfs'];

/** Why an image cannot be used like this, or undefined when it can. */
export function explainUnsupported(capabilities: readonly VolumeCapability[]): string | undefined {
  for (const { access, mode } of capabilities) {
    const modes = access.type === 'block' ? BLOCK_MODES : FILE_SYSTEM_MODES;
    if (!modes.includes(mode)) {
      const kind = access.type === 'block' ? 'a raw block volume' : 'a file-system volume';
      return `access mode ${mode} is not possible for ${kind} of RBD; possible are ${modes.join(', ')}`;
    }
    if (access.type === 'mount' && access.fsType !== undefined && access.fsType !== '') {
      if (!FILE_SYSTEMS.includes(access.fsType)) {
        return `fs_type "${access.fsType}" is not one of ${FILE_SYSTEMS.join(', ')}`;
      }
    }
  }
  return undefined;
}

/** @throws DriverError `invalid-argument` saying what is supported. */
export function requireSupported(capabilities: readonly VolumeCapability[]): void {
  const reason = explainUnsupported(capabilities);
  if (reason !== undefined) throw new DriverError('invalid-argument', `volume_capabilities: ${reason}`);
}
