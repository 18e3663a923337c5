import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { DriverError } from '../model/errors.ts';

/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor` of the superblock: the block device's own, or an anonymous one (btrfs, FUSE, network). */
  readonly number: string;
  /** What of the file system is mounted: `/`, or the directory or file of a bind mount. */
  readonly root: string;
  readonly path: string;
  /** The flags of this mount: `rw`, `noatime`… */
  readonly options: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** The options of the superblock, which all mounts of the file system share. */
  readonly superOptions: readonly string[];
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeField(field: string): string {
  if (!field.includes('\\')) return field;
  const bytes = Buffer.from(field, 'utf8').toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(plain, 'latin1').toString('utf8');
}

function parseMount(line: string): Mount {
  const fields = line.split(' ');
  // A varying number of optional fields (shared:1, master:2…) ends with a lone hyphen.
  const separator = fields.indexOf('-', 6);
  const [id, parentId, number, root, path, options] = fields;
  const [fsType, source, superOptions] = fields.slice(separator + 1);
  if (separator < 0 || number === undefined || root === undefined || path === undefined) {
    throw new DriverError('internal', `mountinfo has a line that is none: "${line}"`);
  }
  return {
    id: Number(id),
    parentId: Number(parentId),
    number,
    root: unescapeField(root),
    path: unescapeField(path),
    options: (options ?? '').split(','),
    fsType: unescapeField(fsType ?? ''),
    source: unescapeField(source ?? ''),
    superOptions: unescapeField(superOptions ?? '').split(','),
  };
}

/** @throws DriverError `internal` on a line that is not one of mountinfo. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap(line => (line === '' ? [] : [parseMount(line)]));
}

/** Everything mounted in the driver's mount namespace. Never waits for a file system, however stuck it is. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The topmost mount at exactly this path (as `resolveMountPath` gives it), or undefined. */
export function mountAt(mounts: readonly Mount[], path: string): Mount | undefined {
  const stack = mounts.filter(mount => mount.path === path);
  const covered = new Set(stack.map(mount => mount.parentId));
  return stack.findLast(mount => !covered.has(mount.id));
}

/** The mount that a path lies in or is. */
export function mountContaining(mounts: readonly Mount[], path: string): Mount | undefined {
  for (let ancestor = path; ; ancestor = dirname(ancestor)) {
    const mount = mountAt(mounts, ancestor);
    if (mount !== undefined || ancestor === '/') return mount;
  }
}

/** The mounts strictly below a path. */
export function mountsBelow(mounts: readonly Mount[], path: string): readonly Mount[] {
  const prefix = path === '/' ? '/' : `${path}/`;
  return mounts.filter(mount => mount.path !== path && mount.path.startsWith(prefix));
}

/** The mounts of a device's file system. btrfs has an anonymous number, and is known by its source. */
export function mountsOfDevice(
  mounts: readonly Mount[],
  device: { readonly path: string; readonly number: string; readonly alias?: string },
): readonly Mount[] {
  return mounts.filter(
    ({ number, source }) => number === device.number || source === device.path || source === device.alias,
  );
}

/** Which file or directory of which superblock a path shows: what a bind mount of it must show too. */
export function identifySource(
  mounts: readonly Mount[],
  path: string,
): { readonly mount: Mount; readonly root: string } | undefined {
  const mount = mountContaining(mounts, path);
  if (mount === undefined) return undefined;
  return { mount, root: join(mount.root, relative(mount.path, path)) };
}

/**
 * A path as mountinfo writes it. Symbolic links are followed in the parent directory only: asking anything of the
 * last component could wait for ever for a stuck file system that is mounted there.
 */
export async function resolveMountPath(path: string): Promise<string> {
  const absolute = resolve(path);
  if (absolute === '/') return absolute;
  const directory = dirname(absolute);
  try {
    return join(await realpath(directory), basename(absolute));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return join(await resolveMountPath(directory), basename(absolute));
    }
    throw new DriverError('internal', `${path}: cannot resolve its directory: ${String(error)}`, {
      cause: error,
    });
  }
}
