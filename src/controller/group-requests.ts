import type { CreateVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/CreateVolumeGroupSnapshotRequest.ts';
import type { DeleteVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/DeleteVolumeGroupSnapshotRequest.ts';
import { parseMap, parseSecrets, requireText, showValue } from '../grpc/fields.ts';
import { DriverError } from '../model/errors.ts';
import type { GroupSnapshotReference, GroupSnapshotSpec } from '../model/group-snapshot-backend.ts';

/** Identifiers, none of them twice. */
function parseIds(ids: readonly string[], field: string): readonly string[] {
  for (const [index, id] of ids.entries()) {
    requireText(id, `${field}[${index}]`);
    if (ids.indexOf(id) !== index) {
      throw new DriverError('invalid-argument', `${field}: ${showValue(id)} is there twice`);
    }
  }
  return ids;
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseCreateGroupSnapshot(wire: CreateVolumeGroupSnapshotRequest__Output): GroupSnapshotSpec {
  const name = requireText(wire.name, 'name');
  const sourceVolumeIds = parseIds(wire.source_volume_ids, 'source_volume_ids');
  if (sourceVolumeIds.length === 0) {
    throw new DriverError('invalid-argument', 'source_volume_ids: is empty; at least one volume is required');
  }
  return {
    name,
    sourceVolumeIds,
    parameters: parseMap(wire.parameters, 'parameters'),
    secrets: parseSecrets(wire.secrets),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseGroupReference(wire: DeleteVolumeGroupSnapshotRequest__Output): GroupSnapshotReference {
  return {
    groupSnapshotId: requireText(wire.group_snapshot_id, 'group_snapshot_id'),
    snapshotIds: parseIds(wire.snapshot_ids, 'snapshot_ids'),
    secrets: parseSecrets(wire.secrets),
  };
}
