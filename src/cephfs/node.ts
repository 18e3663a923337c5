import type { ClusterSource } from '../config/clusters.ts';
import type { ReadAffinity } from '../config/read-affinity.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import type { NodeBackend, UnstageRequest } from '../model/node-backend.ts';
import type { VolumeCondition } from '../model/volume.ts';
import { listMounts, type Host } from '../mount/host.ts';
import { mountAt, resolveMountPath } from '../mount/mountinfo.ts';
import { unmountPath } from '../mount/unmounting.ts';
import { probeMount } from './liveness.ts';
import { createFuseMounter } from './mounters/fuse.ts';
import { createKernelMounter } from './mounters/kernel.ts';
import type { Mounter } from './mounters/mounter.ts';
import { stageVolume, type StageParts } from './node-stage.ts';
import type { Mounter as MounterName } from './volume-context.ts';

export interface CephfsNodeDependencies {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  /** How volumes are mounted whose StorageClass does not say. */
  readonly mounter: MounterName;
  /** Default: reads go to any replica. */
  readonly readAffinity?: ReadAffinity;
  /** The ways to mount, the preferred first; default: the kernel, ceph-fuse. */
  readonly mounters?: readonly Mounter[];
  /** What is mounted; default: /proc/self/mountinfo. */
  readonly readMounts?: Host['readMounts'];
}

async function isDead({ stagingPath }: UnstageRequest, host: Host): Promise<boolean> {
  const mount = mountAt(await listMounts(host), await resolveMountPath(stagingPath));
  return mount !== undefined && (await probeMount(mount, host)) === 'dead';
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
  const parts: StageParts = { ...dependencies, mounters };
  const hostFor = (context: Context): Host => ({
    exec,
    context,
    ...(readMounts === undefined ? {} : { readMounts }),
  });
  return {
    stageVolume: (request, context) => stageVolume(request, parts, hostFor(context)),
    unstageVolume: async ({ stagingPath }, context) =>
      await unmountPath({ path: stagingPath }, hostFor(context)),
    checkVolume: (request, context) => checkVolume(request, hostFor(context)),
    isDead: (request, context) => isDead(request, hostFor(context)),
  };
}
