// Original file: proto/csi.proto


/**
 * For people to read; nothing acts on it.
 */
export interface VolumeCondition {
  'abnormal'?: (boolean);
  'message'?: (string);
}

/**
 * For people to read; nothing acts on it.
 */
export interface VolumeCondition__Output {
  'abnormal': (boolean);
  'message': (string);
}
