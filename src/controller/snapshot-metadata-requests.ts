import type { GetMetadataAllocatedRequest__Output } from '../gen/csi/v1/GetMetadataAllocatedRequest.ts';
import type { GetMetadataDeltaRequest__Output } from '../gen/csi/v1/GetMetadataDeltaRequest.ts';
import { parseSecrets, requireText } from '../grpc/fields.ts';
import { DriverError } from '../model/errors.ts';
import type { AllocatedRequest, DeltaRequest } from '../model/snapshot-metadata-backend.ts';

/** @throws DriverError `out-of-range` when it is negative. */
function parseStartingOffset(value: string): bigint {
  const offset = BigInt(value);
  if (offset >= 0n) return offset;
  throw new DriverError('out-of-range', `starting_offset: ${value} is negative; give bytes from the start`);
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseAllocatedRequest(wire: GetMetadataAllocatedRequest__Output): AllocatedRequest {
  return {
    snapshotId: requireText(wire.snapshot_id, 'snapshot_id'),
    startingOffset: parseStartingOffset(wire.starting_offset),
    secrets: parseSecrets(wire.secrets),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export function parseDeltaRequest(wire: GetMetadataDeltaRequest__Output): DeltaRequest {
  return {
    baseSnapshotId: requireText(wire.base_snapshot_id, 'base_snapshot_id'),
    targetSnapshotId: requireText(wire.target_snapshot_id, 'target_snapshot_id'),
    startingOffset: parseStartingOffset(wire.starting_offset),
    secrets: parseSecrets(wire.secrets),
  };
}

/**
 * How many ranges a message may hold.
 * @param most what a message holds at most, whatever the client would take.
 * @throws DriverError `invalid-argument` when it is negative.
 */
export function parseMaximumResults(value: number, most: number): number {
  if (value < 0) {
    throw new DriverError(
      'invalid-argument',
      `max_results: ${value} is negative; give a number of blocks for a message, or 0 for no bound`,
    );
  }
  return value === 0 ? most : Math.min(value, most);
}
