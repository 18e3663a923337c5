import { requireText } from '../grpc/fields.ts';
import type { ControllerService } from '../grpc/service.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import { DriverError } from '../model/errors.ts';
import type { VolumeSpec } from '../model/volume.ts';
import { unimplemented, type ControllerDependencies } from './dependencies.ts';
import { parsePageRequest } from './page-requests.ts';
import { formatCapacity, formatStatus, formatVolume } from './responses.ts';
import {
  explainConflict,
  parseCapacityQuery,
  parseCreateVolume,
  parseExpandVolume,
  parseModifyVolume,
  parseValidateVolume,
  parseVolumeReference,
} from './volume-requests.ts';

/** The handlers that change volumes, and those that only read them. */
type VolumeChanges = Pick<
  ControllerService,
  'CreateVolume' | 'DeleteVolume' | 'ControllerExpandVolume' | 'ControllerModifyVolume'
>;
type VolumeReads = Pick<
  ControllerService,
  'ValidateVolumeCapabilities' | 'ControllerGetVolume' | 'ListVolumes' | 'GetCapacity'
>;

const volumeKey = (volumeId: string) => `volume:${volumeId}`;

/** What a backend without the optional methods cannot make of a volume. */
function refuseUnsupported(spec: VolumeSpec, backend: ControllerBackend): void {
  if (spec.source !== undefined && backend.createSnapshot === undefined) {
    throw new DriverError(
      'invalid-argument',
      `volume_content_source: a ${spec.source.type} is given, and this driver makes empty volumes only`,
    );
  }
  const [mutable] = Object.keys(spec.mutableParameters);
  if (mutable !== undefined && backend.modifyVolume === undefined) {
    throw new DriverError(
      'invalid-argument',
      `mutable_parameters: "${mutable}" is given, and this driver's volumes have none`,
    );
  }
}

/**
 * The volume's identifier is the lock's key in all of them, so that a volume is not made and deleted at once. The
 * source of a clone is not locked: any number of clones may be made of it side by side.
 */
export function createVolumeChanges({ backend, locks }: ControllerDependencies): VolumeChanges {
  return {
    async CreateVolume(request, call) {
      const spec = parseCreateVolume(request);
      refuseUnsupported(spec, backend);
      const key = volumeKey(backend.chooseVolumeId(spec));
      const claim = { keys: [key], operation: call.method, request };
      const volume = await locks.run(claim, call, context => backend.createVolume(spec, context));
      return { volume: formatVolume(volume) };
    },

    async DeleteVolume(request, call) {
      const volume = parseVolumeReference(request);
      const claim = { keys: [volumeKey(volume.volumeId)], operation: call.method, request };
      await locks.run(claim, call, context => backend.deleteVolume(volume, context));
      return {};
    },

    async ControllerExpandVolume(request, call) {
      const expansion = parseExpandVolume(request);
      const claim = { keys: [volumeKey(expansion.volumeId)], operation: call.method, request };
      const result = await locks.run(claim, call, context => backend.expandVolume(expansion, context));
      return {
        capacity_bytes: String(result.capacityBytes),
        node_expansion_required: result.nodeExpansionRequired,
      };
    },

    async ControllerModifyVolume(request, call) {
      const modification = parseModifyVolume(request);
      const modify = backend.modifyVolume?.bind(backend);
      if (modify === undefined) throw unimplemented(call);
      const claim = { keys: [volumeKey(modification.volumeId)], operation: call.method, request };
      await locks.run(claim, call, context => modify(modification, context));
      return {};
    },
  };
}

export function createVolumeReads({ backend }: ControllerDependencies): VolumeReads {
  return {
    async ValidateVolumeCapabilities(request, call) {
      const query = parseValidateVolume(request);
      // The backend first: a volume that is gone is NOT_FOUND, whatever is asked of it.
      const objection = await backend.validateVolume(query, call);
      const message = objection ?? explainConflict(query.capabilities);
      if (message !== undefined) return { message };
      const { volume_context, volume_capabilities, parameters, mutable_parameters } = request;
      return { confirmed: { volume_context, volume_capabilities, parameters, mutable_parameters } };
    },

    async ControllerGetVolume(request, call) {
      const volumeId = requireText(request.volume_id, 'volume_id');
      if (backend.getVolume === undefined) throw unimplemented(call);
      return formatStatus(await backend.getVolume(volumeId, call));
    },

    async ListVolumes(request, call) {
      const page = parsePageRequest(request);
      if (backend.listVolumes === undefined) throw unimplemented(call);
      const { entries, nextToken } = await backend.listVolumes(page, call);
      return { entries: entries.map(formatStatus), next_token: nextToken ?? '' };
    },

    async GetCapacity(request, call) {
      const query = parseCapacityQuery(request);
      if (backend.getCapacity === undefined) throw unimplemented(call);
      return formatCapacity(await backend.getCapacity(query, call));
    },
  };
}
