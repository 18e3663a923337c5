import { readFile, stat } from 'node:fs/promises';
import { DriverError } from '../model/errors.ts';
import { listMounts, type Host } from './host.ts';
import { mountAt, resolveMountPath, type Mount } from './mountinfo.ts';

/** sysfs counts in sectors of 512 bytes, whatever the device's own are. */
const SECTOR = 512n;

export interface BlockDevice {
  /** The kernel's name for it: `/dev/loop0`, `/dev/rbd3`. */
  readonly path: string;
  /** `major:minor`. */
  readonly number: string;
  /** What udev calls a device of the device mapper, and btrfs after it: `/dev/mapper/NAME`. */
  readonly alias?: string;
}

/** `major:minor` out of a `dev_t`, whose bits glibc and the kernel interleave. */
function formatNumber(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${String(major)}:${String(minor)}`;
}

async function readSysfs(number: string, attribute: string): Promise<string | undefined> {
  try {
    return await readFile(`/sys/dev/block/${number}/${attribute}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** The device with this `major:minor`, or undefined when there is none now. */
export async function findDeviceByNumber(number: string): Promise<BlockDevice | undefined> {
  const name = /^DEVNAME=(.+)$/m.exec((await readSysfs(number, 'uevent')) ?? '')?.[1];
  if (name === undefined) return undefined;
  const path = `/dev/${name}`;
  const mapped = (await readSysfs(number, 'dm/name'))?.trim();
  return mapped === undefined ? { path, number } : { path, number, alias: `/dev/mapper/${mapped}` };
}

/**
 * The device behind a device node, whatever the node is called. The path must be on a devtmpfs or a link to there;
 * for a path where something may be mounted, use `findMountedDevice`.
 * @throws DriverError `not-found` when there is nothing, `failed-precondition` when it is no block device.
 */
export async function readDevice(path: string): Promise<BlockDevice> {
  const status = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw new DriverError('not-found', `${path}: no such device: ${String(error)}`, { cause: error });
  });
  if (!status.isBlockDevice()) throw new DriverError('failed-precondition', `${path}: not a block device`);
  const number = formatNumber(status.rdev);
  const device = await findDeviceByNumber(number);
  if (device === undefined) throw new DriverError('not-found', `${path}: the device ${number} is gone`);
  return device;
}

/** Bytes, from sysfs: never waits for the device. @throws DriverError `not-found` when the device is gone. */
export async function readDeviceSize(device: BlockDevice): Promise<bigint> {
  const sectors = (await readSysfs(device.number, 'size'))?.trim();
  if (sectors === undefined || !/^[0-9]+$/.test(sectors)) {
    throw new DriverError('not-found', `${device.path}: the device ${device.number} is gone`);
  }
  return BigInt(sectors) * SECTOR;
}

/** Whether a mount is the bind mount of a file that may be a device node: these lie in memory, and cannot hang. */
export function isDeviceNode(mount: Mount): boolean {
  return mount.root !== '/' && (mount.fsType === 'devtmpfs' || mount.fsType === 'tmpfs');
}

/** The block device that a mount shows: its file system's, or the one whose node is bind-mounted. */
export async function findDeviceOfMount(mount: Mount): Promise<BlockDevice | undefined> {
  if (isDeviceNode(mount)) {
    const status = await stat(mount.path, { bigint: true }).catch(() => undefined);
    return status?.isBlockDevice() === true ? await findDeviceByNumber(formatNumber(status.rdev)) : undefined;
  }
  if (!mount.number.startsWith('0:')) return await findDeviceByNumber(mount.number);
  // btrfs has an anonymous number; its source is the device.
  if (mount.fsType !== 'btrfs') return undefined;
  return await readDevice(mount.source).catch(() => undefined);
}

/** The device that is mounted, or whose node is bind-mounted, at a path; undefined when none is. */
export async function findMountedDevice(
  request: { readonly path: string },
  host: Host,
): Promise<BlockDevice | undefined> {
  const mount = mountAt(await listMounts(host), await resolveMountPath(request.path));
  return mount === undefined ? undefined : await findDeviceOfMount(mount);
}
