import { DriverError } from '../model/errors.ts';
import type { Command } from '../exec/command.ts';
import { readDevice } from './block-device.ts';
import type { FileSystemType } from './file-system-type.ts';
import { describeFailure, listMounts, QUICK, withoutDeadline, type Host } from './host.ts';
import { fileSystemOptions, isReadOnly } from './mount-options.ts';
import { ensureMountPoint } from './mount-point.ts';
import { identifySource, mountAt, mountsOfDevice, resolveMountPath, type Mount } from './mountinfo.ts';

/** Milliseconds: mounting may replay a long log. */
const MOUNT_TIMEOUT = 300_000;
/** mount(8): "mount failure", the kernel said no. */
const MOUNT_FAILURE = 32;
/** The flags of a mount that a remount would drop unless they are given again. */
const KEPT_FLAGS = ['nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime', 'nosymfollow'];

export interface FileSystemMount {
  readonly device: string;
  readonly path: string;
  readonly fsType: FileSystemType;
  /** As `mergeMountOptions` gives them; `ro` among them for a read-only mount. */
  readonly options: readonly string[];
}

/**
 * `mount` with these arguments; the paths are resolved, so that it need not look at them: `--no-canonicalize`.
 * @throws DriverError `failed-precondition` with mount's own words when the kernel refuses.
 */
export async function runMount(args: Command['args'], path: string, host: Host): Promise<void> {
  const command = { program: 'mount', args: ['--no-canonicalize', ...args], timeout: MOUNT_TIMEOUT };
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0) return;
  throw new DriverError(
    result.exitCode === MOUNT_FAILURE ? 'failed-precondition' : 'internal',
    `${path}: ${describeFailure(command, result)}`,
  );
}

function refuseOther(path: string, mount: Mount, wanted: string): never {
  throw new DriverError(
    'failed-precondition',
    `${path}: ${mount.source} (${mount.fsType}, ${mount.root}) is mounted here, not ${wanted}; unmount it first`,
  );
}

function refuseAccess(path: string, present: string, wanted: string): never {
  throw new DriverError(
    'already-exists',
    `${path}: is mounted ${present} already, and was asked for ${wanted}`,
  );
}

const access = (readOnly: boolean) => (readOnly ? 'read-only' : 'writable');

/**
 * Mounts the file system of a device at a path, which is made when missing. Mounted so already: nothing is done.
 * @throws DriverError `failed-precondition` when something else is mounted there or the kernel refuses,
 *   `already-exists` when it is mounted with the other access (read-only or writable).
 */
export async function mountFileSystem(request: FileSystemMount, host: Host): Promise<void> {
  const { fsType } = request;
  const device = await readDevice(request.device);
  const path = await resolveMountPath(request.path);
  const present = mountAt(await listMounts(host), path);
  const options = fileSystemOptions(fsType, request.options);
  if (present !== undefined) {
    if (mountsOfDevice([present], device).length === 0) refuseOther(path, present, device.path);
    const [is, wanted] = [isReadOnly(present.options), isReadOnly(options)];
    if (is !== wanted) refuseAccess(path, access(is), access(wanted));
    return;
  }
  await ensureMountPoint({ path, type: 'directory' }, host);
  // Without --read-write, mount would quietly mount a write-protected device read-only.
  const writable = isReadOnly(options) ? [] : ['--read-write'];
  const flags = options.length === 0 ? writable : [...writable, '--options', options.join(',')];
  await runMount(['--types', fsType, ...flags, device.path, path], path, host);
}

export interface BindMount {
  /** A directory or file, absolute. */
  readonly source: string;
  readonly target: string;
  /**
   * Nothing can be written through the target. It does not keep anybody from writing to a device whose node is
   * bound: the device itself must be read-only for that.
   */
  readonly readOnly: boolean;
  /** The source is a file (a device node): the target is made a file, not a directory. */
  readonly file?: boolean;
}

async function remountReadOnly(mount: Mount, host: Host): Promise<void> {
  const kept = KEPT_FLAGS.filter(flag => mount.options.includes(flag));
  await runMount(['--options', ['remount', 'bind', 'ro', ...kept].join(','), mount.path], mount.path, host);
}

/**
 * Makes a mounted directory or file appear at a second path too; the target is made when missing. Bound so
 * already: nothing is done; a bind whose read-only step was interrupted is completed.
 * @throws DriverError `failed-precondition` when something else is mounted at the target, or the source is in no
 *   mount; `already-exists` when the target is bound with the other access.
 */
export async function bindMount(request: BindMount, host: Host): Promise<void> {
  const source = await resolveMountPath(request.source);
  const target = await resolveMountPath(request.target);
  const mounts = await listMounts(host);
  const identity = identifySource(mounts, source);
  if (identity === undefined) throw new DriverError('failed-precondition', `${source}: is in no mount`);
  const isBound = (mount: Mount) => mount.number === identity.mount.number && mount.root === identity.root;

  let bound = mountAt(mounts, target);
  const isNew = bound === undefined;
  if (bound === undefined) {
    await ensureMountPoint({ path: target, type: request.file === true ? 'file' : 'directory' }, host);
    await runMount(['--bind', source, target], target, host);
    bound = mountAt(await listMounts(host), target);
  }
  if (bound === undefined) throw new DriverError('aborted', `${target}: was unmounted by somebody else`);
  if (!isBound(bound)) refuseOther(target, bound, source);

  const bindsReadOnly = isReadOnly(bound.options);
  if (request.readOnly === bindsReadOnly) return;
  if (!request.readOnly) {
    // A bind of a read-only mount is read-only itself, which is as writable as it gets.
    if (isReadOnly(identity.mount.options)) return;
    refuseAccess(target, 'read-only', 'writable');
  }
  try {
    await remountReadOnly(bound, host);
  } catch (error) {
    if (isNew) {
      const undo = { program: 'umount', args: ['--no-canonicalize', target], timeout: QUICK };
      await host.exec(undo, withoutDeadline(host).context).catch(() => undefined);
    }
    throw error;
  }
}
