import type { ClusterSource } from '../config/clusters.ts';
import type { ReadAffinity } from '../config/read-affinity.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { StageRequest } from '../model/node-backend.ts';
import { listMounts, withoutDeadline, type Host } from '../mount/host.ts';
import { isReadOnly, mergeMountOptions } from '../mount/mount-options.ts';
import { ensureMountPoint } from '../mount/mount-point.ts';
import { mountAt, resolveMountPath, type Mount } from '../mount/mountinfo.ts';
import { unmountPath } from '../mount/unmounting.ts';
import { describeWriter, isReaderOnly, requireSupported } from './capabilities.ts';
import { userConnection } from './credentials.ts';
import { probeMount } from './liveness.ts';
import type { Mounter, MountRequest } from './mounters/mounter.ts';
import { selectMounter } from './mounters/selection.ts';
import { isSnapshotShown, showSnapshot } from './snapshot-mount.ts';
import { parseVolumeContext, type Mounter as MounterName, type VolumeContext } from './volume-context.ts';

export interface StageParts {
  readonly clusters: ClusterSource;
  /** How volumes are mounted whose StorageClass does not say. */
  readonly mounter: MounterName;
  readonly mounters: readonly Mounter[];
  /** Default: reads go to any replica. */
  readonly readAffinity?: ReadAffinity;
}

interface Staging {
  readonly request: StageRequest;
  readonly volume: VolumeContext;
  readonly target: string;
}

/** Options of the cluster, the class and the Pod, in this order: the later replaces the earlier. */
async function chooseOptions(
  mounter: Mounter,
  { request, volume }: Staging,
  { clusters, readAffinity }: StageParts,
  context: Context,
): Promise<readonly string[]> {
  const { access, mode } = request.capability;
  const key = mounter.name === 'kernel' ? 'kernelMountOptions' : 'fuseMountOptions';
  const flags = access.type === 'mount' ? access.mountFlags : [];
  const readOnly = isReaderOnly(mode) ? ['ro'] : [];
  const { cephfs } = clusters.find(volume.clusterId);
  const affinity = mounter.name === 'kernel' ? await readAffinity?.(volume.clusterId, context) : undefined;
  return mergeMountOptions(affinity ?? [], [cephfs[key]], [volume[key]], flags, readOnly);
}

function refuseOther(target: string, mount: Mount): never {
  throw new DriverError(
    'failed-precondition',
    `staging_target_path: ${target}: ${mount.source} (${mount.fsType}) is mounted here, which is not this volume; ` +
      'unmount it first',
  );
}

/** @throws DriverError `already-exists` when it is mounted read-only, and was asked for writable. */
function requireAccess({ request, target }: Staging, mount: Mount): void {
  const { access, mode } = request.capability;
  if (isReaderOnly(mode) || !isReadOnly(mount.options)) return;
  if (access.type === 'mount' && isReadOnly(mergeMountOptions(access.mountFlags))) return;
  throw new DriverError(
    'already-exists',
    `staging_target_path: ${target}: is mounted read-only already, and was asked for writable`,
  );
}

/**
 * The volume's mount, when it is there already and works. A dead one is taken away.
 * @throws DriverError `failed-precondition` for something else.
 */
async function findMount(
  { request, volume, target }: Staging,
  mounters: readonly Mounter[],
  host: Host,
): Promise<Mount | undefined> {
  const mount = mountAt(await listMounts(host), target);
  if (mount === undefined) return undefined;
  const { volumeId } = request;
  if (!mounters.some(mounter => mounter.isMountOf(mount, { volumeId, path: volume.path }))) {
    refuseOther(target, mount);
  }
  if ((await probeMount(mount, host)) !== 'dead') return mount;
  host.context.log.warn({ target }, 'the client behind the mount is dead; mounting again');
  await unmountPath({ path: target }, host);
  return undefined;
}

async function mountVolume(staging: Staging, parts: StageParts, host: Host): Promise<Mount> {
  const { request, volume, target } = staging;
  const { clusters, mounters } = parts;
  const { volumeId, secrets } = request;
  const { clusterId, fsName, path } = volume;
  const connection = userConnection(clusters.find(clusterId), secrets);
  const mounter = await selectMounter(volume.mounter ?? parts.mounter, mounters, host.context);
  await ensureMountPoint({ path: target, type: 'directory' }, host);
  const options = await chooseOptions(mounter, staging, parts, host.context);
  const mounting: MountRequest = { volumeId, path, fsName, connection, target, options };
  await mounter.mount(mounting, host);
  const mount = mountAt(await listMounts(host), target);
  if (mount !== undefined && mounter.isMountOf(mount, mounting)) return mount;
  throw new DriverError(
    'internal',
    `staging_target_path: ${target}: ${mounter.name} says that it mounted the volume, and it is not there`,
  );
}

/** Shows the snapshot above its subvolume. A failure takes away what this call mounted. */
async function completeView(
  view: { readonly target: string; readonly snapshot: string; readonly isNew: boolean },
  host: Host,
): Promise<void> {
  const { target, snapshot, isNew } = view;
  try {
    await showSnapshot({ target, snapshot }, host);
  } catch (error) {
    if (isNew) await unmountPath({ path: target }, withoutDeadline(host)).catch(() => undefined);
    throw error;
  }
}

/**
 * Mounts a volume at its staging path; a view of a snapshot, in two steps. Staged already: only what is missing is done.
 * @throws DriverError `failed-precondition` when something else is mounted there, `already-exists` when it is mounted
 *   with the other access.
 */
export async function stageVolume(request: StageRequest, parts: StageParts, host: Host): Promise<void> {
  const volume = parseVolumeContext(request.volumeId, request.context);
  const { capability } = request;
  const { snapshot } = volume;
  requireSupported([capability]);
  if (snapshot !== undefined && !isReaderOnly(capability.mode)) {
    throw new DriverError('invalid-argument', `volume_capability: ${describeWriter(capability)}`);
  }
  const target = await resolveMountPath(request.stagingPath);
  const staging: Staging = { request, volume, target };
  const present = await findMount(staging, parts.mounters, host);
  if (present !== undefined) requireAccess(staging, present);
  const mount = present ?? (await mountVolume(staging, parts, host));
  if (snapshot === undefined || isSnapshotShown(mount, snapshot)) return;
  await completeView({ target, snapshot, isNew: present === undefined }, host);
}
