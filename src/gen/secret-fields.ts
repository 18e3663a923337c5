// Original file: proto/csi.proto

/** The fields with the option csi_secret, by message. */
export const secretFields = {
  CreateVolumeRequest: ['secrets'],
  DeleteVolumeRequest: ['secrets'],
  ControllerPublishVolumeRequest: ['secrets'],
  ControllerUnpublishVolumeRequest: ['secrets'],
  ValidateVolumeCapabilitiesRequest: ['secrets'],
  ControllerModifyVolumeRequest: ['secrets'],
  CreateSnapshotRequest: ['secrets'],
  DeleteSnapshotRequest: ['secrets'],
  ListSnapshotsRequest: ['secrets'],
  GetSnapshotRequest: ['secrets'],
  ControllerExpandVolumeRequest: ['secrets'],
  NodeStageVolumeRequest: ['secrets'],
  NodePublishVolumeRequest: ['secrets'],
  NodeExpandVolumeRequest: ['secrets'],
  CreateVolumeGroupSnapshotRequest: ['secrets'],
  DeleteVolumeGroupSnapshotRequest: ['secrets'],
  GetVolumeGroupSnapshotRequest: ['secrets'],
  GetMetadataAllocatedRequest: ['secrets'],
  GetMetadataDeltaRequest: ['secrets'],
} as const;
