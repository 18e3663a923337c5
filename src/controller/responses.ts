import type { GetCapacityResponse } from '../gen/csi/v1/GetCapacityResponse.ts';
import type { Snapshot as WireSnapshot } from '../gen/csi/v1/Snapshot.ts';
import type { Volume as WireVolume } from '../gen/csi/v1/Volume.ts';
import type { VolumeCondition as WireCondition } from '../gen/csi/v1/VolumeCondition.ts';
import type { VolumeContentSource } from '../gen/csi/v1/VolumeContentSource.ts';
import type { VolumeGroupSnapshot as WireGroupSnapshot } from '../gen/csi/v1/VolumeGroupSnapshot.ts';
import { formatMap } from '../grpc/fields.ts';
import type { VolumeGroupSnapshot } from '../model/group-snapshot-backend.ts';
import type { Capacity } from '../model/controller-backend.ts';
import type { Snapshot, Volume, VolumeSource, VolumeStatus } from '../model/volume.ts';

function formatSource(source: VolumeSource): VolumeContentSource {
  switch (source.type) {
    case 'snapshot':
      return { snapshot: { snapshot_id: source.snapshotId } };
    case 'volume':
      return { volume: { volume_id: source.volumeId } };
  }
}

export function formatVolume(volume: Volume): WireVolume {
  return {
    volume_id: volume.volumeId,
    capacity_bytes: String(volume.capacityBytes),
    volume_context: formatMap(volume.context),
    ...(volume.source === undefined ? {} : { content_source: formatSource(volume.source) }),
    ...(volume.accessibleTopology === undefined
      ? {}
      : { accessible_topology: [{ segments: formatMap(volume.accessibleTopology) }] }),
  };
}

/** CSI 1.12: a plugin with VOLUME_CONDITION always tells one, so a volume without a finding is told to be well. */
export function formatStatus({ condition, volume }: VolumeStatus): {
  volume: WireVolume;
  status: { volume_condition: WireCondition };
} {
  return {
    volume: formatVolume(volume),
    status: { volume_condition: condition ?? { abnormal: false, message: 'no fault is known' } },
  };
}

function formatTime(time: Date): { readonly seconds: string; readonly nanos: number } {
  const milliseconds = time.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: String(seconds), nanos: (milliseconds - seconds * 1000) * 1_000_000 };
}

export function formatSnapshot(snapshot: Snapshot): WireSnapshot {
  return {
    snapshot_id: snapshot.snapshotId,
    source_volume_id: snapshot.sourceVolumeId,
    size_bytes: String(snapshot.sizeBytes),
    creation_time: formatTime(snapshot.createdAt),
    ready_to_use: snapshot.readyToUse,
    group_snapshot_id: snapshot.groupSnapshotId ?? '',
  };
}

export function formatGroupSnapshot(group: VolumeGroupSnapshot): WireGroupSnapshot {
  return {
    group_snapshot_id: group.groupSnapshotId,
    snapshots: group.snapshots.map(formatSnapshot),
    creation_time: formatTime(group.createdAt),
    ready_to_use: group.readyToUse,
  };
}

export function formatCapacity(capacity: Capacity): GetCapacityResponse {
  const { maximumVolumeBytes, minimumVolumeBytes } = capacity;
  return {
    available_capacity: String(capacity.availableBytes),
    ...(maximumVolumeBytes === undefined
      ? {}
      : { maximum_volume_size: { value: String(maximumVolumeBytes) } }),
    ...(minimumVolumeBytes === undefined
      ? {}
      : { minimum_volume_size: { value: String(minimumVolumeBytes) } }),
  };
}
