import { readSubvolume, requireSubvolume } from '../ceph/fs-subvolume.ts';
import { describeRankProblem, listFileSystems, readAvailableBytes } from '../ceph/fs-volume.ts';
import type { Context } from '../model/call.ts';
import type { Capacity, CapacityQuery, SnapshotQuery } from '../model/controller-backend.ts';
import { decodeSnapshotHandle, decodeVolumeHandle, encodeVolumeHandle } from '../model/handle.ts';
import type { CephfsVolumeHandle } from '../model/handle.ts';
import type {
  Page,
  PageRequest,
  Parameters,
  Snapshot,
  VolumeCondition,
  VolumeStatus,
} from '../model/volume.ts';
import { describeUnsupported } from './capabilities.ts';
import { openCluster, openOwnCluster, requireOwnCluster, type Environment } from './environment.ts';
import {
  findSnapshots,
  findSnapshotsOf,
  findSubvolumes,
  parseToken,
  readPage,
  type Found,
  type OpenCluster,
} from './inventory.ts';
import { isView } from './names.ts';
import { parseCapacityParameters } from './parameters.ts';
import { findSnapshot } from './snapshots.ts';
import { requireHandle } from './volume-changes.ts';
import { SIZE_UNIT } from './creation.ts';
import { writeVolumeContext } from './volume-context.ts';

function ownClusters(environment: Environment, context: Context): readonly OpenCluster[] {
  return environment.clusters.list().flatMap(cluster => {
    const access = openOwnCluster(cluster, environment, context);
    return access === undefined ? [] : [{ cluster, access }];
  });
}

/** Asks for the condition of each file system once. */
function createConditionReader(): (found: Found<CephfsVolumeHandle>) => Promise<VolumeCondition> {
  const problems = new Map<string, Promise<string | undefined>>();
  return async ({ handle, access }) => {
    const key = `${handle.clusterId}/${handle.fsName}`;
    const pending = problems.get(key) ?? describeRankProblem(handle.fsName, access);
    problems.set(key, pending);
    const problem = await pending;
    return problem === undefined
      ? { abnormal: false, message: 'the file system is up' }
      : { abnormal: true, message: problem };
  };
}

/** What is known of a volume's context without its class. The snapshot that a view shows is known to its creator. */
function contextOf({ subvolume }: CephfsVolumeHandle, path: string): Parameters {
  return isView(subvolume) ? {} : writeVolumeContext({}, { path });
}

/** A volume's size and health. @throws DriverError `not-found` */
export async function getVolume(
  volumeId: string,
  environment: Environment,
  context: Context,
): Promise<VolumeStatus> {
  const handle = requireHandle(volumeId, 'volume_id');
  const access = requireOwnCluster(environment.clusters.find(handle.clusterId), environment, context);
  const { quotaBytes, path } = await requireSubvolume(handle, 'volume_id', access);
  const condition = await createConditionReader()({ handle, access });
  const volume = { volumeId, capacityBytes: quotaBytes ?? 0n, context: contextOf(handle, path) };
  return { volume, condition };
}

/** The volumes of all clusters at which the driver has credentials of its own. */
export async function listVolumes(
  request: PageRequest,
  environment: Environment,
  context: Context,
): Promise<Page<VolumeStatus>> {
  const readCondition = createConditionReader();
  const found = findSubvolumes(ownClusters(environment, context), parseToken(request.startingToken));
  const read = async (item: Found<CephfsVolumeHandle>): Promise<VolumeStatus | undefined> => {
    const subvolume = await readSubvolume(item.handle, item.access);
    if (subvolume.state !== 'ready') return undefined;
    const volume = {
      volumeId: encodeVolumeHandle(item.handle),
      capacityBytes: subvolume.quotaBytes ?? 0n,
      context: contextOf(item.handle, subvolume.path),
    };
    return { volume, condition: await readCondition(item) };
  };
  return await readPage(found, read, ({ volume }) => volume.volumeId, request);
}

/** The snapshots that the query names: one, a volume's, or all. Of an ID that is not there: none. */
export async function listSnapshotPage(
  query: SnapshotQuery,
  environment: Environment,
  context: Context,
): Promise<Page<Snapshot>> {
  const behind = parseToken(query.startingToken);
  const open = (clusterId: string) =>
    openCluster(environment.clusters.find(clusterId), query.secrets, environment, context);
  if (query.snapshotId !== undefined) {
    const place = decodeSnapshotHandle(query.snapshotId);
    if (place?.backend !== 'cephfs') return { entries: [] };
    const snapshot = await findSnapshot(place, open(place.clusterId));
    const isWanted = query.sourceVolumeId === undefined || snapshot?.sourceVolumeId === query.sourceVolumeId;
    return { entries: snapshot === undefined || !isWanted ? [] : [snapshot] };
  }
  const tokenOf = ({ snapshotId }: Snapshot) => snapshotId;
  if (query.sourceVolumeId !== undefined) {
    const handle = decodeVolumeHandle(query.sourceVolumeId);
    if (handle?.backend !== 'cephfs') return { entries: [] };
    const found = findSnapshotsOf({ handle, access: open(handle.clusterId) }, behind);
    return await readPage(found, item => findSnapshot(item.handle, item.access), tokenOf, query);
  }
  const found = findSnapshots(ownClusters(environment, context), behind);
  return await readPage(found, item => findSnapshot(item.handle, item.access), tokenOf, query);
}

/** The bytes that can still be written to the data pools that the parameters name. */
export async function getCapacity(
  query: CapacityQuery,
  environment: Environment,
  context: Context,
): Promise<Capacity> {
  const wanted = parseCapacityParameters(query.parameters);
  if (describeUnsupported(query.capabilities) !== undefined) {
    return { availableBytes: 0n };
  }
  const clusters =
    wanted.clusterId === undefined
      ? ownClusters(environment, context)
      : [
          {
            access: requireOwnCluster(environment.clusters.find(wanted.clusterId), environment, context),
          },
        ];
  let availableBytes = 0n;
  for (const { access } of clusters) {
    for (const { name, dataPools } of await listFileSystems(access)) {
      if (wanted.fsName !== undefined && wanted.fsName !== name) continue;
      const pool = wanted.pool ?? dataPools[0];
      if (pool !== undefined && dataPools.includes(pool)) {
        availableBytes += await readAvailableBytes(pool, access);
      }
    }
  }
  return { availableBytes, minimumVolumeBytes: SIZE_UNIT };
}
