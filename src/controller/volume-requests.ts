import type { ControllerExpandVolumeRequest__Output } from '../gen/csi/v1/ControllerExpandVolumeRequest.ts';
import type { ControllerModifyVolumeRequest__Output } from '../gen/csi/v1/ControllerModifyVolumeRequest.ts';
import type { CreateVolumeRequest__Output } from '../gen/csi/v1/CreateVolumeRequest.ts';
import type { DeleteVolumeRequest__Output } from '../gen/csi/v1/DeleteVolumeRequest.ts';
import type { GetCapacityRequest__Output } from '../gen/csi/v1/GetCapacityRequest.ts';
import type { Topology__Output } from '../gen/csi/v1/Topology.ts';
import type { TopologyRequirement__Output } from '../gen/csi/v1/TopologyRequirement.ts';
import type { ValidateVolumeCapabilitiesRequest__Output } from '../gen/csi/v1/ValidateVolumeCapabilitiesRequest.ts';
import type { VolumeCapability__Output } from '../gen/csi/v1/VolumeCapability.ts';
import type { VolumeContentSource__Output } from '../gen/csi/v1/VolumeContentSource.ts';
import { parseCapabilities, parseCapability } from '../grpc/capabilities.ts';
import { parseCapacityRange, parseMap, parseSecrets, requireText } from '../grpc/fields.ts';
import type {
  CapacityQuery,
  ExpandRequest,
  ModifyRequest,
  ValidateRequest,
  VolumeReference,
} from '../model/controller-backend.ts';
import { DriverError } from '../model/errors.ts';
import type { Accessibility, VolumeCapability, VolumeSource, VolumeSpec } from '../model/volume.ts';

function parseSource(wire: VolumeContentSource__Output | null): VolumeSource | undefined {
  if (wire === null) return undefined;
  const field = 'volume_content_source';
  if (wire.snapshot) {
    const snapshotId = requireText(wire.snapshot.snapshot_id, `${field}.snapshot.snapshot_id`);
    return { type: 'snapshot', snapshotId };
  }
  if (wire.volume) {
    return { type: 'volume', volumeId: requireText(wire.volume.volume_id, `${field}.volume.volume_id`) };
  }
  throw new DriverError('invalid-argument', `${field}.type: is not set; give either snapshot or volume`);
}

function parseAccessibility(wire: TopologyRequirement__Output | null): Accessibility | undefined {
  if (wire === null || wire.requisite.length + wire.preferred.length === 0) return undefined;
  const parseAll = (topologies: readonly Topology__Output[], name: string) =>
    topologies.map(({ segments }, index) =>
      parseMap(segments, `accessibility_requirements.${name}[${index}].segments`),
    );
  return {
    requisite: parseAll(wire.requisite, 'requisite'),
    preferred: parseAll(wire.preferred, 'preferred'),
  };
}

/** Why the capabilities exclude each other, or undefined when one volume can have them all. */
export function explainConflict(capabilities: readonly VolumeCapability[]): string | undefined {
  const types = new Set(capabilities.map(({ access }) => access.type));
  return types.size > 1
    ? 'volume_capabilities: ask for block and for mount; a volume is either a raw block device or a file system'
    : undefined;
}

function requireCapabilities(wire: readonly VolumeCapability__Output[]): readonly VolumeCapability[] {
  if (wire.length === 0) {
    throw new DriverError(
      'invalid-argument',
      'volume_capabilities: is empty; at least one capability is required',
    );
  }
  return parseCapabilities(wire, 'volume_capabilities');
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseCreateVolume(wire: CreateVolumeRequest__Output): VolumeSpec {
  const name = requireText(wire.name, 'name');
  const capabilities = requireCapabilities(wire.volume_capabilities);
  const conflict = explainConflict(capabilities);
  if (conflict !== undefined) throw new DriverError('invalid-argument', conflict);
  const source = parseSource(wire.volume_content_source);
  const accessibility = parseAccessibility(wire.accessibility_requirements);
  return {
    name,
    capabilities,
    capacity: parseCapacityRange(wire.capacity_range),
    parameters: parseMap(wire.parameters, 'parameters'),
    mutableParameters: parseMap(wire.mutable_parameters, 'mutable_parameters'),
    secrets: parseSecrets(wire.secrets),
    ...(source === undefined ? {} : { source }),
    ...(accessibility === undefined ? {} : { accessibility }),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseVolumeReference(wire: DeleteVolumeRequest__Output): VolumeReference {
  return { volumeId: requireText(wire.volume_id, 'volume_id'), secrets: parseSecrets(wire.secrets) };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseValidateVolume(wire: ValidateVolumeCapabilitiesRequest__Output): ValidateRequest {
  return {
    ...parseVolumeReference(wire),
    context: parseMap(wire.volume_context, 'volume_context'),
    capabilities: requireCapabilities(wire.volume_capabilities),
    parameters: parseMap(wire.parameters, 'parameters'),
    mutableParameters: parseMap(wire.mutable_parameters, 'mutable_parameters'),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseExpandVolume(wire: ControllerExpandVolumeRequest__Output): ExpandRequest {
  const reference = parseVolumeReference(wire);
  const capacity = parseCapacityRange(wire.capacity_range);
  if (capacity.requiredBytes === undefined && capacity.limitBytes === undefined) {
    throw new DriverError(
      'invalid-argument',
      'capacity_range: is empty; give required_bytes, the size in bytes to grow to',
    );
  }
  if (wire.volume_capability === null) return { ...reference, capacity };
  return { ...reference, capacity, capability: parseCapability(wire.volume_capability, 'volume_capability') };
}

/**
 * No parameters at all is a change of nothing, which csi-sanity asks for: it still fails for a volume that is gone.
 * @throws DriverError `invalid-argument` naming the field.
 */
export function parseModifyVolume(wire: ControllerModifyVolumeRequest__Output): ModifyRequest {
  return {
    ...parseVolumeReference(wire),
    mutableParameters: parseMap(wire.mutable_parameters, 'mutable_parameters'),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseCapacityQuery(wire: GetCapacityRequest__Output): CapacityQuery {
  const { accessible_topology: topology } = wire;
  return {
    capabilities: parseCapabilities(wire.volume_capabilities, 'volume_capabilities'),
    parameters: parseMap(wire.parameters, 'parameters'),
    ...(topology === null ? {} : { topology: parseMap(topology.segments, 'accessible_topology.segments') }),
  };
}
