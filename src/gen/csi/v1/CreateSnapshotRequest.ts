// Original file: proto/csi.proto


/**
 * The name is the key of the call: the same name is the same snapshot.
 */
export interface CreateSnapshotRequest {
  'source_volume_id'?: (string);
  'name'?: (string);
  'secrets'?: ({[key: string]: string});
  'parameters'?: ({[key: string]: string});
}

/**
 * The name is the key of the call: the same name is the same snapshot.
 */
export interface CreateSnapshotRequest__Output {
  'source_volume_id': (string);
  'name': (string);
  'secrets': ({[key: string]: string});
  'parameters': ({[key: string]: string});
}
