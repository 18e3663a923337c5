// Original file: proto/csi.proto


/**
 * Carries a VolumeAttributesClass's parameters.
 */
export interface ControllerModifyVolumeRequest {
  'volume_id'?: (string);
  'secrets'?: ({[key: string]: string});
  'mutable_parameters'?: ({[key: string]: string});
}

/**
 * Carries a VolumeAttributesClass's parameters.
 */
export interface ControllerModifyVolumeRequest__Output {
  'volume_id': (string);
  'secrets': ({[key: string]: string});
  'mutable_parameters': ({[key: string]: string});
}
