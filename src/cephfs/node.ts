import type { ClusterSource } from '../config/clusters.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { NodeBackend, StageRequest, UnstageRequest } from '../model/node-backend.ts';
import type { VolumeCondition } from '../model/volume.ts';
import { listMounts, type Host } from '../mount/host.ts';
import { isReadOnly, mergeMountOptions } from '../mount/mount-options.ts';
import { ensureMountPoint } from '../mount/mount-point.ts';
import { mountAt, resolveMountPath, type Mount } from '../mount/mountinfo.ts';
import { unmountPath } from '../mount/unmounting.ts';
import { isReaderOnly, requireSupported } from './capabilities.ts';
import { userConnection } from './credentials.ts';
import { probeMount } from './liveness.ts';
import { createFuseMounter } from './mounters/fuse.ts';
import { createKernelMounter } from './mounters/kernel.ts';
import type { Mounter, MountRequest } from './mounters/mounter.ts';
import { selectMounter } from './mounters/selection.ts';
import { parseVolumeContext, type Mounter as MounterName, type VolumeContext } from './volume-context.ts';

export interface CephfsNodeDependencies {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  /** How volumes are mounted whose StorageClass does not say. */
  readonly mounter: MounterName;
  /** The ways to mount, the preferred first; default: the kernel, ceph-fuse. */
  readonly mounters?: readonly Mounter[];
  /** What is mounted; default: /proc/self/mountinfo. */
  readonly readMounts?: Host['readMounts'];
}

interface Staging {
  readonly request: StageRequest;
  readonly volume: VolumeContext;
  readonly target: string;
}

/** Options of the cluster, the class and the Pod, in this order: the later replaces the earlier. */
function chooseOptions(
  mounter: Mounter,
  { request, volume }: Staging,
  clusters: ClusterSource,
): readonly string[] {
  const { access, mode } = request.capability;
  const key = mounter.name === 'kernel' ? 'kernelMountOptions' : 'fuseMountOptions';
  const flags = access.type === 'mount' ? access.mountFlags : [];
  const readOnly = isReaderOnly(mode) ? ['ro'] : [];
  const { cephfs } = clusters.find(volume.clusterId);
  return mergeMountOptions([cephfs[key]], [volume[key]], flags, readOnly);
}

function refuseOther(target: string, mount: Mount): never {
  throw new DriverError(
    'failed-precondition',
    `staging_target_path: ${target}: ${mount.source} (${mount.fsType}) is mounted here, which is not this volume; ` +
      'unmount it first',
  );
}

/**
 * Whether the volume is mounted already, in a way that still works. A dead mount of it is taken away.
 * @throws DriverError `failed-precondition` for something else, `already-exists` for the other access.
 */
async function isStaged(
  { request, volume, target }: Staging,
  mounters: readonly Mounter[],
  host: Host,
): Promise<boolean> {
  const mount = mountAt(await listMounts(host), target);
  if (mount === undefined) return false;
  const { volumeId, capability } = request;
  if (!mounters.some(mounter => mounter.isMountOf(mount, { volumeId, path: volume.path }))) {
    refuseOther(target, mount);
  }
  if ((await probeMount(mount, host)) === 'dead') {
    host.context.log.warn({ target }, 'the client behind the mount is dead; mounting again');
    await unmountPath({ path: target }, host);
    return false;
  }
  const wantsReadOnly = isReaderOnly(capability.mode);
  if (wantsReadOnly || !isReadOnly(mount.options)) return true;
  const { access } = capability;
  if (access.type === 'mount' && isReadOnly(mergeMountOptions(access.mountFlags))) return true;
  throw new DriverError(
    'already-exists',
    `staging_target_path: ${target}: is mounted read-only already, and was asked for writable`,
  );
}

async function stageVolume(
  request: StageRequest,
  mounters: readonly Mounter[],
  { clusters, mounter: preference }: CephfsNodeDependencies,
  host: Host,
): Promise<void> {
  const volume = parseVolumeContext(request.volumeId, request.context);
  requireSupported([request.capability]);
  const connection = userConnection(clusters.find(volume.clusterId), request.secrets);
  const target = await resolveMountPath(request.stagingPath);
  const staging: Staging = { request, volume, target };
  if (await isStaged(staging, mounters, host)) return;
  const mounter = await selectMounter(volume.mounter ?? preference, mounters, host.context);
  await ensureMountPoint({ path: target, type: 'directory' }, host);
  const { volumeId } = request;
  const { fsName, path } = volume;
  const options = chooseOptions(mounter, staging, clusters);
  const mounting: MountRequest = { volumeId, path, fsName, connection, target, options };
  await mounter.mount(mounting, host);
  const mount = mountAt(await listMounts(host), target);
  if (mount === undefined || !mounter.isMountOf(mount, mounting)) {
    throw new DriverError(
      'internal',
      `staging_target_path: ${target}: ${mounter.name} says that it mounted the volume, and it is not there`,
    );
  }
}

async function checkVolume(
  { stagingPath }: UnstageRequest,
  host: Host,
): Promise<VolumeCondition | undefined> {
  const mount = mountAt(await listMounts(host), await resolveMountPath(stagingPath));
  if (mount === undefined) return { abnormal: true, message: `${stagingPath}: the volume is not mounted` };
  switch (await probeMount(mount, host)) {
    case 'alive':
      return undefined;
    case 'stuck':
      return { abnormal: true, message: `${stagingPath}: the file system does not answer` };
    case 'dead':
      return {
        abnormal: true,
        message: `${stagingPath}: the client behind the mount is dead; the volume has to be staged again`,
      };
  }
}

/**
 * Mounts CephFS volumes at their staging paths. All that is known of a mount is in mountinfo, so that a driver that
 * was killed finds what it mounted; the clients, in the kernel or daemons of their own, do not need the driver.
 */
export function createCephfsNode(dependencies: CephfsNodeDependencies): NodeBackend {
  const { exec, readMounts } = dependencies;
  const mounters = dependencies.mounters ?? [createKernelMounter(exec), createFuseMounter()];
  const hostFor = (context: Context): Host => ({
    exec,
    context,
    ...(readMounts === undefined ? {} : { readMounts }),
  });
  return {
    stageVolume: (request, context) => stageVolume(request, mounters, dependencies, hostFor(context)),
    unstageVolume: async ({ stagingPath }, context) =>
      await unmountPath({ path: stagingPath }, hostFor(context)),
    checkVolume: (request, context) => checkVolume(request, hostFor(context)),
  };
}
