import { showValue } from '../grpc/fields.ts';
import { DriverError } from '../model/errors.ts';
import { resolveMountPath } from '../mount/mountinfo.ts';

/** Linux: PATH_MAX, without the closing NUL. CSI lets paths be longer than its other texts. */
const MAXIMUM_PATH = 4095;

function refusePath(field: string, path: string, problem: string): never {
  throw new DriverError('invalid-argument', `${field}: ${showValue(path)} ${problem}`);
}

/**
 * A path that has to be there, in the form that mountinfo uses: links in its parent directories are followed.
 * @throws DriverError `invalid-argument` unless it is absolute, without `..`, and not the root directory.
 */
export async function parsePath(path: string, field: string): Promise<string> {
  if (path === '') throw new DriverError('invalid-argument', `${field}: is empty, and is required`);
  if (path.includes('\0')) refusePath(field, path, 'contains a NUL character');
  if (Buffer.byteLength(path) > MAXIMUM_PATH) refusePath(field, path, `exceeds ${MAXIMUM_PATH} bytes`);
  if (!path.startsWith('/')) refusePath(field, path, 'is not absolute; it must begin with "/"');
  if (path.split('/').includes('..'))
    refusePath(field, path, 'contains ".."; give the path that it leads to');
  const resolved = await resolveMountPath(path);
  if (resolved === '/') refusePath(field, path, 'is the root directory');
  return resolved;
}

/**
 * The path of a volume that is expected to be published. A path at which this driver never publishes is not wrong
 * as such; the volume is just not there.
 * @throws DriverError `invalid-argument` when it is empty, `not-found` when `parsePath` refuses it.
 */
export async function parseVolumePath(path: string): Promise<string> {
  try {
    return await parsePath(path, 'volume_path');
  } catch (error) {
    if (path === '' || !(error instanceof DriverError)) throw error;
    throw new DriverError('not-found', `${error.message}: no volume is published there`, { cause: error });
  }
}
