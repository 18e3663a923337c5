import type {
  ControllerServiceCapability,
  _csi_v1_ControllerServiceCapability_RPC_Type as CapabilityName,
} from '../gen/csi/v1/ControllerServiceCapability.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';

/** What a backend can do, by the methods that it has. */
export function listCapabilities(backend: ControllerBackend): readonly ControllerServiceCapability[] {
  const offers: readonly (readonly [CapabilityName, boolean])[] = [
    ['CREATE_DELETE_VOLUME', true],
    ['EXPAND_VOLUME', true],
    ['SINGLE_NODE_MULTI_WRITER', true],
    // A clone is a restored snapshot that nobody asked for by name.
    ['CLONE_VOLUME', backend.createSnapshot !== undefined],
    ['CREATE_DELETE_SNAPSHOT', backend.createSnapshot !== undefined && backend.deleteSnapshot !== undefined],
    ['LIST_SNAPSHOTS', backend.listSnapshots !== undefined],
    ['GET_SNAPSHOT', backend.getSnapshot !== undefined],
    ['LIST_VOLUMES', backend.listVolumes !== undefined],
    ['GET_VOLUME', backend.getVolume !== undefined],
    ['VOLUME_CONDITION', backend.listVolumes !== undefined || backend.getVolume !== undefined],
    ['GET_CAPACITY', backend.getCapacity !== undefined],
    ['MODIFY_VOLUME', backend.modifyVolume !== undefined],
  ];
  return offers.filter(([, isOffered]) => isOffered).map(([type]) => ({ rpc: { type } }));
}
