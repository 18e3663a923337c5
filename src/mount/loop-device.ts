import { readdir, readFile } from 'node:fs/promises';
import { DriverError } from '../model/errors.ts';
import type { CommandResult } from '../exec/command.ts';
import { describeFailure, listMounts, pause, QUICK, requireOutput, type Host } from './host.ts';
import { mountsOfDevice } from './mountinfo.ts';
import type { BlockDevice } from './block-device.ts';

/** What the kernel adds to the name of a backing file that is gone. */
const DELETED = ' (deleted)';
const ATTACH_ATTEMPTS = 5;
/** Milliseconds between two looks; and looks until a device that is being detached counts as held. */
const PAUSE = 200;
const DETACH_LOOKS = 25;

/** An attached loop device. */
export interface LoopDevice extends BlockDevice {
  /** As the kernel names it: with ` (deleted)` behind it when it is gone. */
  readonly backingFile: string;
  readonly readOnly: boolean;
  readonly directIo: boolean;
  /** It goes as soon as nobody has it open. */
  readonly detaching: boolean;
  /** Bytes into the file. */
  readonly offset: bigint;
  /** Bytes; 0: up to the end of the file. */
  readonly sizeLimit: bigint;
}

async function readLoopDevice(name: string): Promise<LoopDevice | undefined> {
  const read = async (attribute: string) =>
    (await readFile(`/sys/block/${name}/${attribute}`, 'utf8')).replace(/\n$/, '');
  try {
    return {
      path: `/dev/${name}`,
      number: await read('dev'),
      backingFile: await read('loop/backing_file'),
      readOnly: (await read('ro')) === '1',
      directIo: (await read('loop/dio')) === '1',
      detaching: (await read('loop/autoclear')) === '1',
      offset: BigInt(await read('loop/offset')),
      sizeLimit: BigInt(await read('loop/sizelimit')),
    };
  } catch {
    // A free device has no such files; one that is detached meanwhile loses them.
    return undefined;
  }
}

/**
 * The attached loop devices. From sysfs, not `losetup --list`: that asks the backing files' file systems, and one
 * stuck volume would stop all others.
 */
export async function listLoopDevices(): Promise<readonly LoopDevice[]> {
  const names = (await readdir('/sys/block')).filter(name => /^loop[0-9]+$/.test(name));
  const devices = await Promise.all(names.map(readLoopDevice));
  return devices.filter(device => device !== undefined);
}

/** The loop devices over a file, also over one of that name that is gone. The path must be free of links. */
export async function findLoopDevices(request: { readonly file: string }): Promise<readonly LoopDevice[]> {
  const names = [request.file, request.file + DELETED];
  return (await listLoopDevices()).filter(device => names.includes(device.backingFile));
}

export interface LoopAttachment {
  /** Absolute, free of symbolic links. */
  readonly file: string;
  readonly readOnly: boolean;
  /** Bypass the page cache for the backing file; it must support O_DIRECT. */
  readonly directIo: boolean;
}

function requireSame(request: LoopAttachment, device: LoopDevice): LoopDevice {
  if (device.detaching) {
    throw new DriverError('aborted', `${device.path}: is being detached from ${request.file}; try again`);
  }
  if (device.readOnly !== request.readOnly) {
    const [is, wanted] = device.readOnly ? ['read-only', 'writable'] : ['writable', 'read-only'];
    throw new DriverError(
      'failed-precondition',
      `${device.path}: is attached to ${request.file} ${is}, and was asked for ${wanted}`,
    );
  }
  return device;
}

/** Somebody else took the free device between being told of it and taking it. */
function lostRace(result: CommandResult): boolean {
  return /device or resource busy|resource temporarily unavailable/i.test(result.stderr);
}

/**
 * The loop device over a file, attached when there is none.
 * @throws DriverError `failed-precondition` when it is attached with the other access, `aborted` when it is being
 *   detached, `resource-exhausted` when other users of loop devices took each free one, `internal` otherwise.
 */
export async function ensureLoopDevice(request: LoopAttachment, host: Host): Promise<LoopDevice> {
  const present = (await findLoopDevices(request)).find(device => device.backingFile === request.file);
  if (present !== undefined) return requireSame(request, present);
  const flags = [
    ...(request.readOnly ? ['--read-only'] : []),
    ...(request.directIo ? ['--direct-io=on'] : []),
  ];
  const command = {
    program: 'losetup',
    args: ['--find', '--show', ...flags, request.file],
    timeout: QUICK,
  };
  for (let attempt = 1; ; attempt += 1) {
    const result = await host.exec(command, host.context);
    if (result.exitCode === 0) break;
    const message = `${request.file}: ${describeFailure(command, result)}`;
    if (!lostRace(result)) throw new DriverError('internal', message);
    if (attempt === ATTACH_ATTEMPTS) throw new DriverError('resource-exhausted', message);
    await pause(PAUSE, host);
  }
  const attached = (await findLoopDevices(request)).find(device => device.backingFile === request.file);
  if (attached === undefined) {
    throw new DriverError('aborted', `${request.file}: its loop device was detached by somebody else`);
  }
  if (attached.readOnly && !request.readOnly) {
    // `blockdev --setro` outlives the file that a loop device was attached to when somebody ran it.
    const args = ['--setrw', attached.path];
    await requireOutput({ program: 'blockdev', args, timeout: QUICK }, host);
    return { ...attached, readOnly: false };
  }
  return attached;
}

/** Tells a loop device that its backing file has another size. */
export async function refreshLoopDevice(request: { readonly device: string }, host: Host): Promise<void> {
  await requireOutput({ program: 'losetup', args: ['--set-capacity', request.device], timeout: QUICK }, host);
}

async function detachLoopDevice(file: string, device: LoopDevice, host: Host): Promise<void> {
  // A device in use is not refused by `losetup --detach`, but goes at some later moment: so ask first.
  const [mount] = mountsOfDevice(await listMounts(host), device);
  if (mount !== undefined) {
    throw new DriverError('failed-precondition', `${device.path}: is still mounted at ${mount.path}`);
  }
  const isThere = async () => (await findLoopDevices({ file })).some(({ path }) => path === device.path);
  const command = { program: 'losetup', args: ['--detach', device.path], timeout: QUICK };
  const result = await host.exec(command, host.context);
  for (let look = 1; await isThere(); look += 1) {
    if (result.exitCode !== 0) throw new DriverError('internal', describeFailure(command, result));
    if (look === DETACH_LOOKS || host.context.signal.aborted) {
      throw new DriverError(
        'aborted',
        `${device.path}: another process still has it open; it is detached when it ends`,
      );
    }
    await pause(PAUSE, host);
  }
}

/**
 * Detaches every loop device over a file, and resolves when they are gone; also when there is none.
 * @throws DriverError `failed-precondition` naming the mount point of one that is mounted, `aborted` when another
 *   process has one open.
 */
export async function detachLoopDevices(request: { readonly file: string }, host: Host): Promise<void> {
  for (const device of await findLoopDevices(request)) await detachLoopDevice(request.file, device, host);
}
