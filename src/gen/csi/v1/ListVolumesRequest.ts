// Original file: proto/csi.proto


/**
 * max_entries 0: as many as the driver likes. The token comes from an earlier response.
 */
export interface ListVolumesRequest {
  'max_entries'?: (number);
  'starting_token'?: (string);
}

/**
 * max_entries 0: as many as the driver likes. The token comes from an earlier response.
 */
export interface ListVolumesRequest__Output {
  'max_entries': (number);
  'starting_token': (string);
}
