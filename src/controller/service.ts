import { parseCapability } from '../grpc/capabilities.ts';
import { parseMap, requireText } from '../grpc/fields.ts';
import type { ControllerService } from '../grpc/service.ts';
import { listCapabilities } from './capabilities.ts';
import { unimplemented, type ControllerDependencies } from './dependencies.ts';
import { createSnapshotHandlers } from './snapshot-service.ts';
import { createVolumeChanges, createVolumeReads } from './volume-service.ts';

/** CSI 1.12: `node_id` may be longer than other texts. */
const MAXIMUM_NODE_ID = 256;

/** Ceph's clients attach by themselves, so these two have nothing to do, and are not advertised. */
const publishing: Pick<ControllerService, 'ControllerPublishVolume' | 'ControllerUnpublishVolume'> = {
  async ControllerPublishVolume(request, call) {
    requireText(request.volume_id, 'volume_id');
    requireText(request.node_id, 'node_id', MAXIMUM_NODE_ID);
    parseCapability(request.volume_capability, 'volume_capability');
    parseMap(request.volume_context, 'volume_context');
    return Promise.reject(unimplemented(call));
  },

  async ControllerUnpublishVolume(request, call) {
    requireText(request.volume_id, 'volume_id');
    return Promise.reject(unimplemented(call));
  },
};

/**
 * The CSI Controller service of any backend: requests are checked here for everything that does not depend on the
 * backend, calls that change the same volume or snapshot exclude each other, and an RPC for which the backend has
 * no method answers UNIMPLEMENTED.
 */
export function createControllerService(dependencies: ControllerDependencies): ControllerService {
  const capabilities = [...listCapabilities(dependencies.backend)];
  return {
    ...createVolumeChanges(dependencies),
    ...createVolumeReads(dependencies),
    ...createSnapshotHandlers(dependencies),
    ...publishing,
    ControllerGetCapabilities: () => Promise.resolve({ capabilities }),
  };
}
