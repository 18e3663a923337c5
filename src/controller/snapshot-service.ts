import type { ControllerService } from '../grpc/service.ts';
import { unimplemented, type ControllerDependencies } from './dependencies.ts';
import { formatSnapshot } from './responses.ts';
import { parseCreateSnapshot, parseSnapshotQuery, parseSnapshotReference } from './snapshot-requests.ts';

type SnapshotHandlers = Pick<
  ControllerService,
  'CreateSnapshot' | 'DeleteSnapshot' | 'GetSnapshot' | 'ListSnapshots'
>;

/**
 * A snapshot is locked by its name while it is made, since it has no identifier before, and by its identifier
 * while it is deleted. Its volume is not locked: several snapshots of one volume may be made side by side.
 */
export function createSnapshotHandlers({ backend, locks }: ControllerDependencies): SnapshotHandlers {
  return {
    async CreateSnapshot(request, call) {
      const spec = parseCreateSnapshot(request);
      const create = backend.createSnapshot?.bind(backend);
      if (create === undefined) throw unimplemented(call);
      const claim = { keys: [`snapshot-name:${spec.name}`], operation: call.method, request };
      const snapshot = await locks.run(claim, call, context => create(spec, context));
      return { snapshot: formatSnapshot(snapshot) };
    },

    async DeleteSnapshot(request, call) {
      const snapshot = parseSnapshotReference(request);
      const remove = backend.deleteSnapshot?.bind(backend);
      if (remove === undefined) throw unimplemented(call);
      const claim = { keys: [`snapshot:${snapshot.snapshotId}`], operation: call.method, request };
      await locks.run(claim, call, context => remove(snapshot, context));
      return {};
    },

    async GetSnapshot(request, call) {
      const reference = parseSnapshotReference(request);
      if (backend.getSnapshot === undefined) throw unimplemented(call);
      return { snapshot: formatSnapshot(await backend.getSnapshot(reference, call)) };
    },

    async ListSnapshots(request, call) {
      const query = parseSnapshotQuery(request);
      if (backend.listSnapshots === undefined) throw unimplemented(call);
      const { entries, nextToken } = await backend.listSnapshots(query, call);
      return {
        entries: entries.map(snapshot => ({ snapshot: formatSnapshot(snapshot) })),
        next_token: nextToken ?? '',
      };
    },
  };
}
