import { join } from 'node:path';
import { DriverError } from '../model/errors.ts';
import { runBounded } from '../mount/bounded-run.ts';
import { describeFailure, type Host } from '../mount/host.ts';
import type { Mount } from '../mount/mountinfo.ts';
import { runMount } from '../mount/mounting.ts';

/*
 * No client mounts a directory below `.snap`. So the subvolume is mounted, and the directory of its snapshot is bound
 * above it, at the same path: what is unmounted there is both.
 */

/** Milliseconds in which the file system has to tell what is in a directory. */
const LIMIT = 30_000;

/** Whether a mount shows a snapshot, and not the subvolume that it is of. */
export function isSnapshotShown(mount: Mount, snapshot: string): boolean {
  return mount.root.startsWith(`/.snap/${snapshot}/`);
}

/**
 * The files of a snapshot: its one directory, which has the name of what the subvolume's own directory was called
 * then. Others, of which the names begin with a dot, are of Ceph's.
 */
async function findFiles(directory: string, host: Host): Promise<string> {
  const where = [directory, '-mindepth', '1', '-maxdepth', '1', '-type', 'd', '!', '-name', '.*'];
  const command = { program: 'find', args: [...where, '-printf', '%f\\n'], timeout: LIMIT };
  const result = await runBounded(command, host);
  if (result === 'stuck') {
    throw new DriverError('unavailable', `${directory}: the file system does not answer`);
  }
  if (result.exitCode !== 0) {
    const kind = result.stderr.includes('No such file or directory') ? 'not-found' : 'internal';
    throw new DriverError(kind, `${directory}: ${describeFailure(command, result)}`);
  }
  const [name, ...others] = result.stdout.split('\n').filter(line => line !== '');
  if (name !== undefined && others.length === 0) return join(directory, name);
  throw new DriverError(
    'internal',
    `${directory}: is not the snapshot of a subvolume: it has ${others.length} directories`,
  );
}

/**
 * Shows a snapshot of the subvolume that is mounted at a path, above it.
 * @throws DriverError `not-found` when the snapshot is gone.
 */
export async function showSnapshot(
  request: { readonly target: string; readonly snapshot: string },
  host: Host,
): Promise<void> {
  const { target, snapshot } = request;
  const files = await findFiles(join(target, '.snap', snapshot), host);
  await runMount(['--bind', files, target], target, host);
}
