import { lstat, mkdir, open, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DriverError } from '../model/errors.ts';
import { listMounts, type Host } from './host.ts';
import { mountAt, resolveMountPath } from './mountinfo.ts';

/**
 * The file below a staging path on which the device node of a staged raw block volume is bind-mounted. kubelet
 * makes the staging path a directory for raw block volumes too.
 */
export function blockDevicePath(stagingPath: string): string {
  return join(stagingPath, 'device');
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export interface MountPoint {
  readonly path: string;
  /** A directory for a file system, an empty file for a device node or other file. */
  readonly type: 'directory' | 'file';
}

async function createFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  try {
    await (await open(path, 'wx', 0o640)).close();
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (!(await lstat(path)).isFile()) {
      throw new DriverError('failed-precondition', `${path}: is there already, and is not a file`, {
        cause: error,
      });
    }
  }
}

/**
 * Makes the directory or file to mount on, and its parent directories. What exists is left as it is, and is not
 * looked at when something is mounted on it.
 * @throws DriverError `failed-precondition` when something else is at the path.
 */
export async function ensureMountPoint(point: MountPoint, host: Host): Promise<void> {
  const path = await resolveMountPath(point.path);
  if (mountAt(await listMounts(host), path) !== undefined) return;
  try {
    if (point.type === 'file') await createFile(path);
    else await mkdir(path, { recursive: true, mode: 0o750 });
  } catch (error) {
    if (error instanceof DriverError) throw error;
    const kind = hasCode(error, 'EEXIST', 'ENOTDIR') ? 'failed-precondition' : 'internal';
    throw new DriverError(kind, `${path}: cannot be made a mount point: ${String(error)}`, { cause: error });
  }
}

async function removeUnmounted(path: string): Promise<void> {
  const status = await lstat(path);
  if (status.isDirectory()) {
    await rmdir(path);
  } else if (status.isFile() && status.size === 0) {
    await unlink(path);
  } else {
    throw new DriverError(
      'failed-precondition',
      `${path}: neither a directory nor an empty file, and so not a mount point of this driver; it is left alone`,
    );
  }
}

/**
 * Removes the directory or file that something was mounted on. Only an empty one is: data that somebody wrote
 * below the mount is never deleted. Resolves when there is nothing.
 * @throws DriverError `failed-precondition` when something is mounted on it or it is not empty.
 */
export async function removeMountPoint(request: { readonly path: string }, host: Host): Promise<void> {
  const path = await resolveMountPath(request.path);
  const mount = mountAt(await listMounts(host), path);
  if (mount !== undefined) {
    throw new DriverError(
      'failed-precondition',
      `${path}: ${mount.source} (${mount.fsType}) is mounted here`,
    );
  }
  try {
    await removeUnmounted(path);
  } catch (error) {
    if (error instanceof DriverError) throw error;
    if (hasCode(error, 'ENOENT')) return;
    const isFull = hasCode(error, 'ENOTEMPTY', 'EEXIST');
    throw new DriverError(
      isFull ? 'failed-precondition' : 'internal',
      isFull
        ? `${path}: nothing is mounted here, but it is not empty; look at what it holds and move it away`
        : `${path}: cannot be removed: ${String(error)}`,
      { cause: error },
    );
  }
}
