import { DriverError } from '../model/errors.ts';

export const FILE_SYSTEM_TYPES = ['ext4', 'xfs', 'btrfs'] as const;

/** A file system that the driver makes on a block volume. */
export type FileSystemType = (typeof FILE_SYSTEM_TYPES)[number];

/**
 * @param field what the value came from, for the message.
 * @param value absent or empty: ext4.
 * @throws DriverError `invalid-argument` for another file system.
 */
export function parseFileSystemType(value: string | undefined, field = 'fs_type'): FileSystemType {
  if (value === undefined || value === '') return 'ext4';
  const known = FILE_SYSTEM_TYPES.find(type => type === value);
  if (known !== undefined) return known;
  throw new DriverError(
    'invalid-argument',
    `${field}: "${value}" is none of ${FILE_SYSTEM_TYPES.join(', ')}`,
  );
}
