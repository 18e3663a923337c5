// Original file: proto/csi.proto


/**
 * volume_path is where the volume is staged or published.
 */
export interface NodeGetVolumeStatsRequest {
  'volume_id'?: (string);
  'volume_path'?: (string);
  'staging_target_path'?: (string);
}

/**
 * volume_path is where the volume is staged or published.
 */
export interface NodeGetVolumeStatsRequest__Output {
  'volume_id': (string);
  'volume_path': (string);
  'staging_target_path': (string);
}
