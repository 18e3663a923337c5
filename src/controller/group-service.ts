import type { GroupControllerService } from '../grpc/service.ts';
import type { Locks } from '../grpc/locks.ts';
import { DriverError } from '../model/errors.ts';
import type { GroupSnapshotBackend } from '../model/group-snapshot-backend.ts';
import { parseCreateGroupSnapshot, parseGroupReference } from './group-requests.ts';
import { formatGroupSnapshot } from './responses.ts';

export interface GroupControllerDependencies {
  readonly backend: GroupSnapshotBackend;
  /** Those of the driver's Controller service, too: a volume is not deleted while a group snapshot of it is made. */
  readonly locks: Locks;
}

const groupKey = (groupSnapshotId: string) => `group-snapshot:${groupSnapshotId}`;

/**
 * The CSI GroupController service of any backend. Where that cannot make group snapshots, each call is answered as if
 * there were no such service: UNIMPLEMENTED.
 */
export function createGroupControllerService({
  backend,
  locks,
}: GroupControllerDependencies): GroupControllerService {
  async function requireGroups(method: string): Promise<void> {
    if (await backend.canGroupSnapshots()) return;
    const why = 'the programs that are installed with this driver cannot make group snapshots';
    throw new DriverError('unimplemented', `${method}: ${why}`);
  }

  return {
    async GroupControllerGetCapabilities(_request, call) {
      await requireGroups(call.method);
      return { capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }] };
    },

    async CreateVolumeGroupSnapshot(request, call) {
      await requireGroups(call.method);
      const spec = parseCreateGroupSnapshot(request);
      const volumes = spec.sourceVolumeIds.map(id => `volume:${id}`);
      const keys = [groupKey(backend.chooseGroupSnapshotId(spec)), ...volumes];
      const claim = { keys, operation: call.method, request };
      const made = await locks.run(claim, call, context => backend.createGroupSnapshot(spec, context));
      return { group_snapshot: formatGroupSnapshot(made) };
    },

    async DeleteVolumeGroupSnapshot(request, call) {
      await requireGroups(call.method);
      const reference = parseGroupReference(request);
      const claim = { keys: [groupKey(reference.groupSnapshotId)], operation: call.method, request };
      await locks.run(claim, call, context => backend.deleteGroupSnapshot(reference, context));
      return {};
    },

    async GetVolumeGroupSnapshot(request, call) {
      await requireGroups(call.method);
      const reference = parseGroupReference(request);
      return { group_snapshot: formatGroupSnapshot(await backend.getGroupSnapshot(reference, call)) };
    },
  };
}
