import { lstat } from 'node:fs/promises';
import { isReaderOnly } from '../grpc/capabilities.ts';
import { DriverError } from '../model/errors.ts';
import { listMounts, withoutDeadline, type Host } from '../mount/host.ts';
import { blockDevicePath, removeMountPoint } from '../mount/mount-point.ts';
import { mountAt, type Mount } from '../mount/mountinfo.ts';
import { bindMount } from '../mount/mounting.ts';
import { isDeadFuse, unmountPath } from '../mount/unmounting.ts';
import type { PublishRequest, UnpublishRequest } from './requests.ts';

/** Whether two mounts show the same directory or file of the same file system. */
function showSame(mount: Mount, other: Mount): boolean {
  return mount.number === other.number && mount.root === other.root;
}

/** The mount that publishing binds from. @throws DriverError `failed-precondition` when the volume is not staged. */
function requireStaged(request: PublishRequest, source: string, mounts: readonly Mount[]): Mount {
  const staged = mountAt(mounts, source);
  if (staged !== undefined) return staged;
  const { access } = request.capability;
  throw new DriverError(
    'failed-precondition',
    `staging_target_path: ${request.stagingPath}: volume ${request.volumeId} is not staged here as ` +
      `${access.type === 'block' ? 'a raw block device' : 'a file system'}; call NodeStageVolume first`,
  );
}

/** CSI 1.12: with SINGLE_NODE_SINGLE_WRITER, a volume is published at one target path at a time. */
function refuseSecondTarget(request: PublishRequest, source: string, mounts: readonly Mount[]): void {
  const staged = requireStaged(request, source, mounts);
  const other = mounts.find(
    mount => showSame(mount, staged) && mount.path !== source && mount.path !== request.targetPath,
  );
  if (other === undefined) return;
  throw new DriverError(
    'failed-precondition',
    `target_path: volume ${request.volumeId} has access mode single-node-single-writer, and is published at ` +
      `${other.path} already; unpublish it there first`,
  );
}

/**
 * The kernel would mount on what a link leads to, which nobody would look for when the volume is to be unpublished.
 * Asked only while nothing is mounted there: a stuck mount would keep the question waiting for ever.
 */
async function refuseLink(path: string): Promise<void> {
  const status = await lstat(path).catch(() => undefined);
  if (status?.isSymbolicLink() === true) {
    throw new DriverError('failed-precondition', `target_path: ${path} is a symbolic link; remove it first`);
  }
}

/** Takes away what an earlier publication left at the target path, when the client behind it has died since. */
async function removeDead(targetPath: string, staged: Mount, host: Host): Promise<void> {
  const present = mountAt(await listMounts(host), targetPath);
  if (present === undefined || showSame(present, staged) || !(await isDeadFuse(present, host))) return;
  await unmountPath({ path: targetPath }, host);
}

/**
 * Makes a staged volume appear at the target path. Published so already: nothing is done. A failure takes away the
 * mount point that it made.
 * @throws DriverError `failed-precondition` when it is not staged, something else is at the target path, or a
 *   single writer's volume is published elsewhere; `already-exists` when it is published with the other access.
 */
export async function publishVolume(request: PublishRequest, host: Host): Promise<void> {
  const { capability, stagingPath, targetPath } = request;
  const file = capability.access.type === 'block';
  const source = file ? blockDevicePath(stagingPath) : stagingPath;
  const mounts = await listMounts(host);
  const staged = requireStaged(request, source, mounts);
  if (capability.mode === 'single-node-single-writer') refuseSecondTarget(request, source, mounts);
  const isNew = mountAt(mounts, targetPath) === undefined;
  if (isNew) await refuseLink(targetPath);
  // A read-only bind of a device node keeps nobody from writing: staging mapped the device itself read-only.
  const readOnly = !file && (request.readOnly || isReaderOnly(capability.mode));
  if (!isNew) await removeDead(targetPath, staged, host);
  try {
    await bindMount({ source, target: targetPath, readOnly, file }, host);
  } catch (error) {
    if (isNew) {
      await removeMountPoint({ path: targetPath }, withoutDeadline(host)).catch(() => undefined);
    }
    throw error;
  }
}

/**
 * Takes the volume away from the target path, and the target path itself, which publishing made (CSI 1.12,
 * NodeUnpublishVolume). Resolves when it is not there.
 * @throws DriverError `failed-precondition` when it is in use, or what is left there is not empty.
 */
export async function unpublishVolume(request: UnpublishRequest, host: Host): Promise<void> {
  await unmountPath({ path: request.targetPath }, host);
  await removeMountPoint({ path: request.targetPath }, host);
}

/** Where a volume is published: at the path itself, or, for the staging path of a raw block volume, below it. */
function findMount(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mountAt(mounts, path) ?? mountAt(mounts, blockDevicePath(path));
}

/**
 * The path at which a published or staged volume is mounted.
 * @param stagingPath where the volume is staged, when the caller said so: then what is mounted at `volumePath` must
 *   be what is staged there.
 * @throws DriverError `not-found` when nothing is mounted, or another volume.
 */
export async function findPublication(
  request: { readonly volumeId: string; readonly volumePath: string; readonly stagingPath?: string },
  host: Host,
): Promise<string> {
  const { volumeId, volumePath, stagingPath } = request;
  const mounts = await listMounts(host);
  const mount = findMount(volumePath, mounts);
  if (mount === undefined) {
    throw new DriverError('not-found', `volume_path: no volume is published at ${volumePath}`);
  }
  const staged = stagingPath === undefined ? undefined : findMount(stagingPath, mounts);
  if (staged !== undefined && !showSame(mount, staged)) {
    throw new DriverError(
      'not-found',
      `volume_path: what is mounted at ${volumePath} is not volume ${volumeId}, which is staged at ${staged.path}`,
    );
  }
  return mount.path;
}
