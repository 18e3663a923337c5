import type { CommandResult } from '../exec/command.ts';
import { DriverError } from '../model/errors.ts';
import { runBounded } from './bounded-run.ts';
import { describeFailure, listMounts, pause, type Host } from './host.ts';
import { describeHolders } from './mount-holders.ts';
import { mountAt, resolveMountPath, type Mount } from './mountinfo.ts';

/** Milliseconds: unmounting writes out what is dirty. */
const UNMOUNT_TIMEOUT = 300_000;
/** A mount that a program has just left may be busy for a moment. */
const BUSY_ATTEMPTS = 5;
const BUSY_PAUSE = 200;
const PROBE_TIMEOUT = 5_000;
/** More mounts than anybody stacks: the end of a fight with somebody who keeps mounting. */
const MAXIMUM_STACK = 100;

/** What the kernel says of a FUSE mount whose daemon has died, and of a mount in use: umount(8) exits 32 for both. */
const DEAD_FUSE = 'Transport endpoint is not connected';
const BUSY = 'busy';

function isBusy(result: CommandResult): boolean {
  return result.stderr.includes(BUSY);
}

function unmountCommand(path: string, flags: readonly string[]) {
  // Neither canonicalizing nor a helper may look at what is mounted: it may be stuck.
  return {
    program: 'umount',
    args: ['--no-canonicalize', '--internal-only', ...flags, path],
    timeout: UNMOUNT_TIMEOUT,
  };
}

/** Whether the daemon of a FUSE mount has died, which no waiting heals; false for any other mount. */
export async function isDeadFuse(mount: Mount, host: Host): Promise<boolean> {
  if (!/^fuse(\.|$)/.test(mount.fsType)) return false;
  const command = { program: 'stat', args: ['--file-system', mount.path], timeout: PROBE_TIMEOUT };
  const result = await runBounded(command, host);
  return result !== 'stuck' && result.stderr.includes(DEAD_FUSE);
}

async function refuse(mount: Mount, result: CommandResult, host: Host): Promise<never> {
  const { path } = mount;
  if (isBusy(result)) {
    const holders = await describeHolders(path, host);
    throw new DriverError(
      'failed-precondition',
      `${path}: is busy: ${holders === '' ? 'held by something not visible from here' : `held by ${holders}`}`,
    );
  }
  throw new DriverError('internal', `${path}: ${describeFailure(unmountCommand(path, []), result)}`);
}

/** Takes the topmost mount away; resolves also when somebody else does. */
async function unmountTop(mount: Mount, host: Host): Promise<void> {
  const { path } = mount;
  for (let attempt = 1; ; attempt += 1) {
    const result = await host.exec(unmountCommand(path, []), host.context);
    if (result.exitCode === 0) return;
    if (mountAt(await listMounts(host), path)?.id !== mount.id) return;
    if (result.stderr.includes(DEAD_FUSE) || (await isDeadFuse(mount, host))) {
      const lazy = await host.exec(unmountCommand(path, ['--lazy']), host.context);
      if (lazy.exitCode === 0) return;
      await refuse(mount, lazy, host);
    }
    if (attempt === BUSY_ATTEMPTS || !isBusy(result)) await refuse(mount, result, host);
    await pause(BUSY_PAUSE, host);
  }
}

/**
 * Unmounts everything that is mounted at exactly this path, one on the other; resolves when nothing is. A mount
 * that is in use is refused, not detached lazily, since its data would still be written afterwards; a FUSE mount
 * whose daemon has died has nothing left to write, and is.
 * @throws DriverError `failed-precondition` naming who keeps it busy, `internal` with umount's words otherwise.
 */
export async function unmountPath(request: { readonly path: string }, host: Host): Promise<void> {
  const path = await resolveMountPath(request.path);
  for (let round = 0; round < MAXIMUM_STACK; round += 1) {
    const mount = mountAt(await listMounts(host), path);
    if (mount === undefined) return;
    await unmountTop(mount, host);
  }
  throw new DriverError('aborted', `${path}: something is mounted here again after each unmount`);
}
