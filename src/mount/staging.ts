import { DriverError } from '../model/errors.ts';
import { findMountedDevice, readDevice, type BlockDevice } from './block-device.ts';
import { checkFileSystem } from './check.ts';
import { ensureFileSystem, type FormatMark } from './format.ts';
import type { FileSystemType } from './file-system-type.ts';
import { growFileSystem } from './growth.ts';
import { listMounts, withoutDeadline, type Host } from './host.ts';
import { fileSystemOptions, isReadOnly } from './mount-options.ts';
import { blockDevicePath, removeMountPoint } from './mount-point.ts';
import { mountAt, mountsOfDevice, resolveMountPath } from './mountinfo.ts';
import { bindMount, mountFileSystem } from './mounting.ts';
import { unmountPath } from './unmounting.ts';

export interface FileSystemStaging {
  readonly device: string;
  readonly stagingPath: string;
  readonly fsType: FileSystemType;
  /** As `mergeMountOptions` gives them; `ro` among them: nothing is formatted, checked or grown. */
  readonly options: readonly string[];
  readonly mkfsOptions?: readonly string[];
  readonly mark: FormatMark;
}

/** What is done to a device before it is mounted writable, unless somebody has it mounted already. */
async function prepareDevice(request: FileSystemStaging, device: string, host: Host): Promise<void> {
  const readOnly = isReadOnly(request.options);
  const isNew = await ensureFileSystem({ ...request, device, readOnly }, host);
  if (isNew || readOnly) return;
  await checkFileSystem({ device, fsType: request.fsType }, host);
  await growFileSystem({ device, fsType: request.fsType }, host);
}

/**
 * Mounts a block volume's file system at its staging path: formatted when blank, checked, and grown to the size of
 * its device. Staged already: only what is missing is done. A failure takes the mount away that it made.
 * @throws DriverError as `ensureFileSystem`, `checkFileSystem`, `mountFileSystem` and `growFileSystem`.
 */
export async function stageFileSystem(request: FileSystemStaging, host: Host): Promise<void> {
  const { fsType, stagingPath } = request;
  const device = await readDevice(request.device);
  const path = await resolveMountPath(stagingPath);
  const mounts = await listMounts(host);
  const wasMounted = mountAt(mounts, path) !== undefined;
  if (mountsOfDevice(mounts, device).length === 0) await prepareDevice(request, device.path, host);
  const options = fileSystemOptions(fsType, request.options);
  await mountFileSystem({ device: device.path, path, fsType, options }, host);
  if (isReadOnly(options)) return;
  try {
    await growFileSystem({ device: device.path, fsType, path }, host);
  } catch (error) {
    if (!wasMounted) await unmountPath({ path }, withoutDeadline(host)).catch(() => undefined);
    throw error;
  }
}

/**
 * Binds a raw block volume's device node below its staging path, at `blockDevicePath`. To keep anybody from
 * writing to it, the device itself must be read-only.
 * @throws DriverError `failed-precondition` when another device is staged there.
 */
export async function stageBlockDevice(
  request: { readonly device: string; readonly stagingPath: string },
  host: Host,
): Promise<void> {
  const device = await readDevice(request.device);
  const target = blockDevicePath(request.stagingPath);
  const staged = await findMountedDevice({ path: target }, host);
  if (staged?.number === device.number) return;
  if (staged !== undefined) {
    throw new DriverError(
      'failed-precondition',
      `${target}: ${staged.path} is staged here, not ${device.path}`,
    );
  }
  await bindMount({ source: device.path, target, readOnly: false, file: true }, host);
}

/** The device that is staged at a staging path, as a file system or raw; undefined when none is. */
export async function findStagedDevice(
  request: { readonly stagingPath: string },
  host: Host,
): Promise<BlockDevice | undefined> {
  const { stagingPath } = request;
  return (
    (await findMountedDevice({ path: stagingPath }, host)) ??
    (await findMountedDevice({ path: blockDevicePath(stagingPath) }, host))
  );
}

/**
 * Takes away what `stageFileSystem` or `stageBlockDevice` mounted; the staging path itself stays, since the
 * orchestrator made it. Resolves when nothing is mounted there.
 * @throws DriverError as `unmountPath` and `removeMountPoint`.
 */
export async function unstagePath(request: { readonly stagingPath: string }, host: Host): Promise<void> {
  const path = await resolveMountPath(request.stagingPath);
  await unmountPath({ path }, host);
  await unmountPath({ path: blockDevicePath(path) }, host);
  await removeMountPoint({ path: blockDevicePath(path) }, host);
}
