// Original file: proto/csi.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Ranges that differ in the target from what they were in the base; both are of the same volume.
 */
export interface GetMetadataDeltaRequest {
  'base_snapshot_id'?: (string);
  'target_snapshot_id'?: (string);
  'starting_offset'?: (number | string | Long);
  'max_results'?: (number);
  'secrets'?: ({[key: string]: string});
}

/**
 * Ranges that differ in the target from what they were in the base; both are of the same volume.
 */
export interface GetMetadataDeltaRequest__Output {
  'base_snapshot_id': (string);
  'target_snapshot_id': (string);
  'starting_offset': (string);
  'max_results': (number);
  'secrets': ({[key: string]: string});
}
