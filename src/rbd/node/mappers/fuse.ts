import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError } from '../../../model/errors.ts';
import { describeFailure, listMounts, QUICK, withoutDeadline, type Host } from '../../../mount/host.ts';
import {
  detachLoopDevices,
  ensureLoopDevice,
  findLoopDevices,
  refreshLoopDevice,
  type LoopDevice,
} from '../../../mount/loop-device.ts';
import { ensureMountPoint, removeMountPoint } from '../../../mount/mount-point.ts';
import { mountAt, resolveMountPath } from '../../../mount/mountinfo.ts';
import { unmountPath } from '../../../mount/unmounting.ts';
import { exportFiles, writeConfiguration, type ExportFiles } from './export-daemon.ts';
import { refreshDaemon, startDaemon, stopDaemons } from './export-daemon.ts';
import { hashVolumeId } from '../volume-hash.ts';
import { exists, findMissingProgram } from './kernel-module.ts';
import type { Mapper, MapRequest, Mapping, NodeImage } from './mapper.ts';
import { isListening } from './qmp.ts';

/** The longest path of a unix socket (unix(7)), less the NUL at its end. */
const MAXIMUM_SOCKET_PATH = 107;

export interface FuseMapperDependencies {
  /** Where each export gets a directory. */
  readonly directory: string;
}

/** Ends as soon as the kernel knows how large the file is now: it believes what it was told a second ago. */
async function refreshFileSize(file: string, host: Host): Promise<void> {
  const args = ['--cached=never', '--format=%s', file];
  const command = { program: 'stat', args, timeout: QUICK };
  const result = await host.exec(command, host.context);
  if (result.exitCode !== 0) throw new DriverError('unavailable', describeFailure(command, result));
}

/**
 * Maps without a driver of Ceph or NBD in the kernel: qemu-storage-daemon shows the one image as a file through FUSE,
 * and a loop device makes that a block device. rbd-fuse could do so as well. It is faster with one writer (530
 * against 390 MB/s of direct 4 MiB writes on one machine) since it caches writes, which are lost when it dies; it
 * cannot discard or write zeroes, so that a volume never gives space back; and it opens every image of the pool.
 */
export function createFuseMapper(dependencies: FuseMapperDependencies): Mapper {
  async function filesOf(image: NodeImage): Promise<ExportFiles> {
    // Mounts and loop devices are known by paths that are free of links.
    return exportFiles(await resolveMountPath(join(dependencies.directory, hashVolumeId(image.volumeId))));
  }

  async function findDevice(files: ExportFiles): Promise<LoopDevice | undefined> {
    return (await findLoopDevices({ file: files.image }))[0];
  }

  async function describeFault(files: ExportFiles, host: Host): Promise<string | undefined> {
    if (mountAt(await listMounts(host), files.image) === undefined) {
      return `${files.image}, which the device shows, is not mounted any more`;
    }
    if (await isListening(files.socket)) return undefined;
    return `the qemu-storage-daemon behind ${files.image} has died`;
  }

  async function find(image: NodeImage, host: Host): Promise<Mapping | undefined> {
    const files = await filesOf(image);
    const device = await findDevice(files);
    if (device === undefined) return undefined;
    const fault = await describeFault(files, host);
    const { path, readOnly } = device;
    return { device: path, readOnly, ...(fault === undefined ? {} : { fault }) };
  }

  /** The loop device first: it is what others may still use, and it cannot be found once its file is unmounted. */
  async function takeDown(files: ExportFiles, host: Host): Promise<void> {
    await detachLoopDevices({ file: files.image }, host);
    await stopDaemons(files, host);
    await unmountPath({ path: files.image }, host);
    await removeMountPoint({ path: files.image }, host);
    await rm(files.socket, { force: true });
    await rm(files.conf, { force: true });
    await rmdir(files.directory).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    });
  }

  async function bringUp(request: MapRequest, files: ExportFiles, host: Host): Promise<Mapping> {
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    await writeFile(files.conf, writeConfiguration(request), { mode: 0o600 });
    await ensureMountPoint({ path: files.image, type: 'file' }, host);
    await startDaemon(request, files, host);
    const { readOnly } = request;
    const { path } = await ensureLoopDevice({ file: files.image, readOnly, directIo: true }, host);
    return { device: path, readOnly };
  }

  async function map(request: MapRequest, host: Host): Promise<Mapping> {
    const files = await filesOf(request);
    if (Buffer.byteLength(files.socket) > MAXIMUM_SOCKET_PATH) {
      throw new DriverError(
        'failed-precondition',
        `${files.socket} is longer than ${MAXIMUM_SOCKET_PATH} bytes, and no socket's path can be; use a shorter ` +
          'state directory',
      );
    }
    await takeDown(files, host);
    try {
      return await bringUp(request, files, host);
    } catch (error) {
      // What remains, if this fails too, is found by the next call.
      await takeDown(files, withoutDeadline(host)).catch(() => undefined);
      throw error;
    }
  }

  return {
    name: 'fuse',
    async findObstacle() {
      for (const path of ['/dev/fuse', '/dev/loop-control']) {
        if (!(await exists(path))) return `there is no ${path}`;
      }
      return await findMissingProgram('qemu-storage-daemon');
    },
    find,
    map,
    unmap: async (image, _options, host) => await takeDown(await filesOf(image), host),
    async refresh(image, host) {
      const files = await filesOf(image);
      const device = await findDevice(files);
      // A daemon that opened its image read-only cannot take over another size: it does when it is mapped anew.
      if (device === undefined || device.readOnly) return;
      await refreshDaemon(files, host);
      await refreshFileSize(files.image, host);
      await refreshLoopDevice({ device: device.path }, host);
    },
  };
}
