// Original file: proto/csi.proto

import type { Long } from '@grpc/proto-loader';

/**
 * capacity_bytes after the call, which may be more than was asked for.
 */
export interface ControllerExpandVolumeResponse {
  'capacity_bytes'?: (number | string | Long);
  'node_expansion_required'?: (boolean);
}

/**
 * capacity_bytes after the call, which may be more than was asked for.
 */
export interface ControllerExpandVolumeResponse__Output {
  'capacity_bytes': (string);
  'node_expansion_required': (boolean);
}
