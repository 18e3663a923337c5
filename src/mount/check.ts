import { DriverError } from '../model/errors.ts';
import type { FileSystemType } from './file-system-type.ts';
import { describeFailure, withoutDeadline, type Host } from './host.ts';

/** Milliseconds: a large ext4 with errors is read as a whole. */
const CHECK_TIMEOUT = 3_600_000;
/** e2fsck(8): bits of the exit code that say that all is well afterwards (corrected; corrected, reboot). */
const CORRECTED = 0b11;
/** e2fsck(8): errors were left. */
const ERRORS_LEFT = 0b100;

export interface CheckRequest {
  /** Not mounted anywhere. */
  readonly device: string;
  readonly fsType: FileSystemType;
  /** Look at everything, even when the file system is marked clean. */
  readonly full?: boolean;
}

/**
 * Checks a file system before it is mounted writable, and repairs what is safe to repair without asking. Only ext4
 * is: a clean one costs milliseconds. xfs and btrfs replay their logs when mounted, and are repaired by hand.
 * @throws DriverError `failed-precondition` when errors are left that a person must look at.
 */
export async function checkFileSystem(request: CheckRequest, host: Host): Promise<void> {
  const { device, fsType } = request;
  if (fsType !== 'ext4') return;
  const flags = request.full === true ? ['-f', '-p'] : ['-p'];
  const command = {
    program: 'e2fsck',
    args: [...flags, device],
    timeout: CHECK_TIMEOUT,
    uninterruptible: true,
  };
  const result = await host.exec(command, withoutDeadline(host).context);
  if ((result.exitCode & ~CORRECTED) === 0) {
    if (result.exitCode !== 0) host.context.log.warn({ device }, 'e2fsck corrected the file system');
    return;
  }
  if ((result.exitCode & ERRORS_LEFT) === 0) {
    throw new DriverError('internal', `${device}: ${describeFailure(command, result)}`);
  }
  throw new DriverError(
    'failed-precondition',
    `${device}: the ext4 file system has errors that need a person: run "e2fsck -f" on it (take a snapshot ` +
      `first); ${describeFailure(command, result)}`,
  );
}
