// Original file: proto/csi.proto

import type { Long } from '@grpc/proto-loader';

/**
 * max_results bounds the entries of one message of the stream, not of the stream; 0: the driver chooses.
 */
export interface GetMetadataAllocatedRequest {
  'snapshot_id'?: (string);
  'starting_offset'?: (number | string | Long);
  'max_results'?: (number);
  'secrets'?: ({[key: string]: string});
}

/**
 * max_results bounds the entries of one message of the stream, not of the stream; 0: the driver chooses.
 */
export interface GetMetadataAllocatedRequest__Output {
  'snapshot_id': (string);
  'starting_offset': (string);
  'max_results': (number);
  'secrets': ({[key: string]: string});
}
