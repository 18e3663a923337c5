import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { OWN_ENCRYPTION, probeDevice } from './device-content.ts';
import type { FileSystemType } from './file-system-type.ts';
import { describeFailure, QUICK, requireOutput, withoutDeadline, type Host } from './host.ts';

/** Milliseconds; far above what any of the programs needs without discarding. */
const FORMAT_TIMEOUT = 1_800_000;

/** No reserved blocks and no discard: an image is sparse already, and large ones must be ready in a moment. */
const DEFAULT_OPTIONS: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ['-m0', '-Enodiscard,lazy_itable_init=1,lazy_journal_init=1'],
  xfs: ['-K'],
  btrfs: ['-K'],
};

/**
 * A note that a device is being formatted, kept outside of the device (its image's metadata) by whoever provides
 * it. It is set before the first byte is written to a blank device, and cleared when the file system is complete,
 * before it is mounted for the first time. So a device with the mark holds nothing but an interrupted format,
 * whatever blkid says of it: mkfs.ext4 writes its superblock long before it is done.
 */
export interface FormatMark {
  isSet(context: Context): Promise<boolean>;
  set(context: Context): Promise<void>;
  clear(context: Context): Promise<void>;
}

export interface FormatRequest {
  readonly device: string;
  readonly fsType: FileSystemType;
  /** Arguments of mkfs that replace the default ones. */
  readonly mkfsOptions?: readonly string[];
}

/**
 * Makes a file system. It is not interrupted: it ends by itself. None of mkfs's force options is given, so that
 * mkfs, too, refuses a device that holds something it knows.
 * @throws DriverError `failed-precondition` with mkfs's own words when it fails.
 */
export async function formatDevice(request: FormatRequest, host: Host): Promise<void> {
  const options = request.mkfsOptions ?? DEFAULT_OPTIONS[request.fsType];
  const command = {
    program: `mkfs.${request.fsType}`,
    args: [...options, request.device],
    timeout: FORMAT_TIMEOUT,
    uninterruptible: true,
  };
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0) return;
  throw new DriverError(
    'failed-precondition',
    `${request.device}: ${describeFailure(command, result)} (options: ${options.join(' ')})`,
  );
}

export interface EnsureFileSystemRequest extends FormatRequest {
  /** The device or the mount will be read-only: nothing is formatted. */
  readonly readOnly: boolean;
  readonly mark: FormatMark;
}

async function wipeSignatures(device: string, host: Host): Promise<void> {
  await requireOutput({ program: 'wipefs', args: ['--all', device], timeout: QUICK }, host);
}

/** Once the first byte is written, all is done to the end, even if the caller has gone: else no retry is faster. */
async function formatMarked(request: EnsureFileSystemRequest, host: Host): Promise<void> {
  const finishing = withoutDeadline(host);
  await formatDevice(request, finishing);
  await request.mark.clear(finishing.context);
}

function refuse(request: EnsureFileSystemRequest, content: string, advice: string): never {
  throw new DriverError(
    'failed-precondition',
    `${request.device}: holds ${content}, and a ${request.fsType} file system was asked for; ${advice}`,
  );
}

/**
 * Sees to it that a device holds a complete file system of the type. Only a device that is proven blank is
 * formatted, or one whose format was interrupted before.
 * @returns whether it was formatted now.
 * @throws DriverError `failed-precondition` when the device holds something else, or is blank and read-only.
 */
export async function ensureFileSystem(request: EnsureFileSystemRequest, host: Host): Promise<boolean> {
  const { device, fsType, mark, readOnly } = request;
  const isInterrupted = await mark.isSet(host.context);
  if (isInterrupted && !readOnly) {
    host.context.log.warn({ device, fsType }, 'formatting again: it was interrupted before it was complete');
    await wipeSignatures(device, host);
    await formatMarked(request, host);
    return true;
  }
  if (isInterrupted) refuse(request, 'an interrupted format', 'stage it writable once');
  const content = await probeDevice({ device }, host);
  switch (content.type) {
    case 'blank':
      if (readOnly) refuse(request, 'nothing', 'a blank volume cannot be used read-only');
      await mark.set(host.context);
      await formatMarked(request, host);
      return true;
    case 'file-system':
      if (content.fsType === fsType) return false;
      return refuse(request, `a ${content.fsType} file system`, `ask for ${content.fsType}`);
    case 'other':
      return refuse(
        request,
        content.description,
        content === OWN_ENCRYPTION
          ? 'ask for it with encrypted "true"'
          : 'a device that is not blank is never formatted',
      );
  }
}
