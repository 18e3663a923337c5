import { DriverError, isErrorOfKind } from '../../model/errors.ts';
import type { Log } from '../../model/call.ts';
import type {
  GroupSnapshotBackend,
  GroupSnapshotReference,
  GroupSnapshotSpec,
} from '../../model/group-snapshot-backend.ts';
import { chooseName } from '../../model/name.ts';
import { deleteGroup, ensureGroupSnapshot, readGroup } from './snapshots.ts';
import type { OnTrashed } from '../image-state.ts';
import { parseGroupParameters } from '../parameters.ts';
import {
  decodeGroupPlace,
  encodeGroupPlace,
  requireVolumePlace,
  type GroupPlace,
  type VolumePlace,
} from '../places.ts';
import type { Sessions } from '../sessions.ts';
import { SILENCE } from '../../model/silence.ts';
import { GROUP_PREFIX } from '../snapshot-kind.ts';
import type { SnapshotTools } from '../snapshots.ts';

const FIELD = 'source_volume_ids';

interface GroupPlan {
  readonly place: GroupPlace;
  readonly sources: ReadonlyMap<string, VolumePlace>;
}

/** @throws DriverError `failed-precondition`: one snapshot is of one cluster and namespace. */
function requireTogether([first, ...others]: readonly VolumePlace[]): void {
  for (const other of others) {
    if (other.clusterId === first?.clusterId && other.namespace === first.namespace) continue;
    throw new DriverError(
      'failed-precondition',
      `${FIELD}: the volumes are in different clusters or RADOS namespaces, and Ceph makes a snapshot of images in one`,
    );
  }
}

/** What is asked for, from the request alone. @throws DriverError */
function planGroup(spec: GroupSnapshotSpec, log: Log): GroupPlan {
  const wanted = parseGroupParameters(spec.parameters, log);
  const sources = new Map(spec.sourceVolumeIds.map(id => [id, requireVolumePlace(id, FIELD)]));
  const places = [...sources.values()];
  requireTogether(places);
  const [first] = places;
  if (first === undefined) throw new DriverError('invalid-argument', `${FIELD}: there is none`);
  const { clusterId, namespace } = first;
  if (wanted.clusterId !== undefined && wanted.clusterId !== clusterId) {
    throw new DriverError(
      'failed-precondition',
      `${FIELD}: the volumes are in cluster "${clusterId}", and the class is for "${wanted.clusterId}"`,
    );
  }
  // The same for the same volumes in any order.
  const [pool = first.pool] =
    wanted.pool === undefined ? places.map(place => place.pool).sort() : [wanted.pool];
  const space = namespace === undefined ? {} : { namespace };
  return { place: { clusterId, pool, ...space, group: chooseName(GROUP_PREFIX, spec.name) }, sources };
}

/** The GroupController service's backend for RBD images. */
export function createGroupController(
  sessions: Sessions,
  tools: SnapshotTools & { readonly onTrashed: OnTrashed },
  canGroupSnapshots: GroupSnapshotBackend['canGroupSnapshots'],
): GroupSnapshotBackend {
  return {
    canGroupSnapshots,
    chooseGroupSnapshotId(spec) {
      const { place } = planGroup(spec, SILENCE);
      return encodeGroupPlace(place.clusterId, place);
    },
    async createGroupSnapshot(spec, context) {
      const { place, sources } = planGroup(spec, context.log);
      const session = sessions.open(place.clusterId, spec.secrets, context);
      return await ensureGroupSnapshot(session, place, sources, tools);
    },
    async deleteGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }: GroupSnapshotReference, context) {
      const place = decodeGroupPlace(groupSnapshotId);
      if (place === undefined) return;
      const session = sessions.open(place.clusterId, secrets, context);
      try {
        await deleteGroup(session, place, snapshotIds, tools.onTrashed);
      } catch (error) {
        // A pool that is gone took all that was in it with it.
        if (!isErrorOfKind(error, 'not-found')) throw error;
      }
    },
    async getGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }, context) {
      const place = decodeGroupPlace(groupSnapshotId);
      if (place === undefined) {
        throw new DriverError(
          'not-found',
          `group_snapshot_id: "${groupSnapshotId}" is no group snapshot of this driver`,
        );
      }
      return await readGroup(sessions.open(place.clusterId, secrets, context), place, snapshotIds);
    },
  };
}
