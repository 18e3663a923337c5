import { createHash } from 'node:crypto';

/** A short name for a volume on its node, whatever characters its ID has: 24 hexadecimal digits. */
export function hashVolumeId(volumeId: string): string {
  return createHash('sha256').update(volumeId).digest('hex').slice(0, 24);
}
