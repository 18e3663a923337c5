import { isQuiesceKnown } from '../ceph/fs-quiesce.ts';
import { createAvailability } from '../exec/availability.ts';
import type { Context, Log } from '../model/call.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import {
  decodeCephfsGroupHandle,
  encodeCephfsGroupHandle,
  type CephfsGroupHandle,
} from '../model/group-handle.ts';
import type { GroupSnapshotBackend, GroupSnapshotSpec } from '../model/group-snapshot-backend.ts';
import type { CephfsVolumeHandle } from '../model/handle.ts';
import type { Secrets } from '../model/secret.ts';
import { openCluster, type Environment } from './environment.ts';
import {
  deleteGroupSnapshot,
  ensureGroupSnapshot,
  readGroupSnapshot,
  type GroupPlan,
} from './group-snapshots.ts';
import { chooseGroupName, digestOf, isGroup } from './names.ts';
import { parseGroupParameters } from './parameters.ts';
import { refuseView } from './snapshot-view.ts';
import { requireHandle } from './volume-changes.ts';

const FIELD = 'source_volume_ids';

function requireSource(volumeId: string): CephfsVolumeHandle {
  const source = requireHandle(volumeId, FIELD);
  refuseView(source, FIELD, 'has no snapshots of its own');
  // What this driver calls its volumes; the record of a group has a blank between two names.
  if (/^[A-Za-z0-9._-]+$/.test(source.subvolume)) return source;
  throw new DriverError('not-found', `${FIELD}: "${volumeId}" is no CephFS volume of this driver`);
}

/** @throws DriverError `invalid-argument`: what is held back together is of one file system, and found in one group. */
function requireTogether(first: CephfsVolumeHandle, other: CephfsVolumeHandle, otherId: string): void {
  const isSame =
    other.clusterId === first.clusterId && other.fsName === first.fsName && other.group === first.group;
  if (isSame) return;
  const print = ({ clusterId, fsName, group }: CephfsVolumeHandle) => `${clusterId}/${fsName}/${group}`;
  throw new DriverError(
    'invalid-argument',
    `${FIELD}: "${otherId}" is in ${print(other)}, and the first volume in ${print(first)}; they have to be in one ` +
      'cluster, file system and subvolume group',
  );
}

/** What is asked for, from the request alone. @throws DriverError */
function planGroup(spec: GroupSnapshotSpec): GroupPlan {
  const wanted = parseGroupParameters(spec.parameters);
  const sources = spec.sourceVolumeIds.map(requireSource);
  const [first] = sources;
  if (first === undefined) throw new DriverError('invalid-argument', `${FIELD}: there is none`);
  for (const [index, id] of spec.sourceVolumeIds.entries()) {
    requireTogether(first, sources[index] ?? first, id);
  }
  const { clusterId, fsName, group } = first;
  for (const [key, value, actual] of [
    ['clusterID', wanted.clusterId, clusterId],
    ['fsName', wanted.fsName, fsName],
  ] as const) {
    if (value === undefined || value === actual) continue;
    throw new DriverError(
      'invalid-argument',
      `parameters: ${key}: "${value}" is not where the volumes are, "${actual}"`,
    );
  }
  const place = { clusterId, fsName, group, subvolume: chooseGroupName(spec.name) };
  return { place, digest: digestOf(spec.name), sources };
}

function decodePlace(groupSnapshotId: string): CephfsGroupHandle | undefined {
  const place = decodeCephfsGroupHandle(groupSnapshotId);
  return place !== undefined && isGroup(place.subvolume) ? place : undefined;
}

/** The GroupController service's backend for CephFS volumes. */
export function createGroupController(environment: Environment, log: Log): GroupSnapshotBackend {
  const open = ({ clusterId }: CephfsGroupHandle, secrets: Secrets, context: Context) =>
    openCluster(environment.clusters.find(clusterId), secrets, environment, context);
  return {
    canGroupSnapshots: createAvailability(isQuiesceKnown, environment.exec, log),
    chooseGroupSnapshotId: spec => encodeCephfsGroupHandle(planGroup(spec).place),
    async createGroupSnapshot(spec, context) {
      const plan = planGroup(spec);
      return await ensureGroupSnapshot(plan, open(plan.place, spec.secrets, context), environment);
    },
    async deleteGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }, context) {
      const place = decodePlace(groupSnapshotId);
      if (place === undefined) return;
      try {
        await deleteGroupSnapshot(place, snapshotIds, open(place, secrets, context), environment);
      } catch (error) {
        // A file system that is gone took all that was in it with it.
        if (!isErrorOfKind(error, 'not-found')) throw error;
      }
    },
    async getGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }, context) {
      const place = decodePlace(groupSnapshotId);
      if (place === undefined) {
        throw new DriverError(
          'not-found',
          `group_snapshot_id: "${groupSnapshotId}" is no group snapshot of this driver`,
        );
      }
      return await readGroupSnapshot(place, snapshotIds, open(place, secrets, context));
    },
  };
}
