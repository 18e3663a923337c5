import type { FileSystemType } from './file-system-type.ts';

/** Splits at commas outside double quotes: `context="system_u:object_r:x:s0:c1,c2"` is one option. */
function splitFlags(flags: string): readonly string[] {
  const options = flags.match(/(?:"[^"]*"|[^,"]|")+/g) ?? [];
  return options.map(option => option.trim()).filter(option => option !== '');
}

/** What an option sets: of two that set the same, the later one holds. */
function optionKey(option: string): string {
  if (option === 'ro' || option === 'rw') return 'ro|rw';
  const equals = option.indexOf('=');
  return equals < 0 ? option : option.slice(0, equals);
}

/**
 * One list of mount options out of several (of the cluster, the class, the Pod): each entry may hold several
 * options separated by commas; a later one replaces an earlier one of the same name.
 */
export function mergeMountOptions(...lists: readonly (readonly string[])[]): readonly string[] {
  const merged = new Map<string, string>();
  for (const option of lists.flat().flatMap(splitFlags)) {
    const key = optionKey(option);
    merged.delete(key);
    merged.set(key, option);
  }
  return [...merged.values()];
}

/** Whether merged options ask for a read-only mount. */
export function isReadOnly(options: readonly string[]): boolean {
  return options.includes('ro');
}

/**
 * The options with those that a file system needs here. xfs refuses a UUID that is mounted already, which a
 * restored snapshot has in common with its source: `nouuid`.
 */
export function fileSystemOptions(fsType: FileSystemType, options: readonly string[]): readonly string[] {
  return fsType === 'xfs' ? mergeMountOptions(['nouuid'], options) : options;
}
