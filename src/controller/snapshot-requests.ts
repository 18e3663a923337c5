import type { CreateSnapshotRequest__Output } from '../gen/csi/v1/CreateSnapshotRequest.ts';
import type { DeleteSnapshotRequest__Output } from '../gen/csi/v1/DeleteSnapshotRequest.ts';
import type { ListSnapshotsRequest__Output } from '../gen/csi/v1/ListSnapshotsRequest.ts';
import { parseMap, parseSecrets, parseText, requireText } from '../grpc/fields.ts';
import type { SnapshotQuery, SnapshotReference } from '../model/controller-backend.ts';
import type { SnapshotSpec } from '../model/volume.ts';
import { parsePageRequest } from './page-requests.ts';

/** @throws DriverError `invalid-argument` naming the field. */
export function parseCreateSnapshot(wire: CreateSnapshotRequest__Output): SnapshotSpec {
  return {
    sourceVolumeId: requireText(wire.source_volume_id, 'source_volume_id'),
    name: requireText(wire.name, 'name'),
    parameters: parseMap(wire.parameters, 'parameters'),
    secrets: parseSecrets(wire.secrets),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseSnapshotReference(wire: DeleteSnapshotRequest__Output): SnapshotReference {
  return { snapshotId: requireText(wire.snapshot_id, 'snapshot_id'), secrets: parseSecrets(wire.secrets) };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseSnapshotQuery(wire: ListSnapshotsRequest__Output): SnapshotQuery {
  const snapshotId = parseText(wire.snapshot_id, 'snapshot_id');
  const sourceVolumeId = parseText(wire.source_volume_id, 'source_volume_id');
  return {
    ...parsePageRequest(wire),
    secrets: parseSecrets(wire.secrets),
    ...(snapshotId === '' ? {} : { snapshotId }),
    ...(sourceVolumeId === '' ? {} : { sourceVolumeId }),
  };
}
