import type { Command } from '../exec/command.ts';
import { DriverError } from '../model/errors.ts';
import { readDevice, readDeviceSize } from './block-device.ts';
import { checkFileSystem } from './check.ts';
import type { FileSystemType } from './file-system-type.ts';
import { describeFailure, QUICK, requireOutput, withoutDeadline, type Host } from './host.ts';

/** Milliseconds. */
const GROW_TIMEOUT = 1_800_000;

export interface GrowRequest {
  readonly device: string;
  readonly fsType: FileSystemType;
  /** Where it is mounted writable; absent: nowhere. */
  readonly path?: string;
}

/** Bytes that an ext4 file system covers, and its block size. */
async function readExt4Size(device: string, host: Host): Promise<{ size: bigint; block: bigint }> {
  const output = await requireOutput({ program: 'dumpe2fs', args: ['-h', device], timeout: QUICK }, host);
  const count = /^Block count:\s+([0-9]+)$/m.exec(output)?.[1];
  const block = /^Block size:\s+([0-9]+)$/m.exec(output)?.[1];
  if (count === undefined || block === undefined) {
    throw new DriverError('internal', `${device}: dumpe2fs tells no block count and size`);
  }
  return { size: BigInt(count) * BigInt(block), block: BigInt(block) };
}

async function runGrowth(program: string, args: readonly string[], host: Host): Promise<void> {
  const command: Command = { program, args, timeout: GROW_TIMEOUT, uninterruptible: true };
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0) return;
  const message = describeFailure(command, result);
  if (/permission denied/i.test(result.stderr)) {
    throw new DriverError(
      'permission-denied',
      `${message}; growing a mounted file system needs CAP_SYS_RESOURCE; it also grows when it is staged anew`,
    );
  }
  throw new DriverError('internal', message);
}

async function growExt4(request: GrowRequest, host: Host): Promise<void> {
  const device = await readDevice(request.device);
  const { size, block } = await readExt4Size(device.path, host);
  if ((await readDeviceSize(device)) - size < block) return;
  // Begun, it is finished whatever the caller's deadline: the check of a large file system is not done twice.
  const finishing = withoutDeadline(host);
  if (request.path === undefined) {
    // resize2fs refuses an unmounted file system that was not checked as a whole since it was last mounted.
    await checkFileSystem({ device: device.path, fsType: 'ext4', full: true }, finishing);
  }
  await runGrowth('resize2fs', [device.path], finishing);
}

/**
 * Grows a file system to the size of its device, if it is smaller. ext4 grows mounted and unmounted; xfs and btrfs
 * only mounted, so that without a path nothing is done for them. It is not interrupted half-way.
 * @throws DriverError `permission-denied` when the driver lacks CAP_SYS_RESOURCE for a mounted ext4,
 *   `failed-precondition` when the file system has errors.
 */
export async function growFileSystem(request: GrowRequest, host: Host): Promise<void> {
  switch (request.fsType) {
    case 'ext4':
      await growExt4(request, host);
      return;
    case 'xfs':
      if (request.path !== undefined) await runGrowth('xfs_growfs', ['-d', request.path], host);
      return;
    case 'btrfs':
      if (request.path !== undefined) {
        await runGrowth('btrfs', ['filesystem', 'resize', 'max', request.path], host);
      }
      return;
  }
}
