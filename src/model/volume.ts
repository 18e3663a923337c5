import type { CapacityRange } from './bytes.ts';
import type { Secrets } from './secret.ts';

/** `VolumeCapability.AccessMode.Mode` of CSI, in the driver's words. */
export type AccessMode =
  | 'single-node-writer'
  | 'single-node-reader-only'
  | 'single-node-single-writer'
  | 'single-node-multi-writer'
  | 'multi-node-reader-only'
  | 'multi-node-single-writer'
  | 'multi-node-multi-writer';

/** `VolumeCapability.access_type`: a raw block device, or a mounted file system. */
export type AccessType =
  | { readonly type: 'block' }
  | {
      readonly type: 'mount';
      /** Absent or empty on the wire: the driver's default. */
      readonly fsType?: string;
      readonly mountFlags: readonly string[];
      /** A gid; used by drivers that advertise VOLUME_MOUNT_GROUP. */
      readonly volumeMountGroup?: string;
    };

export interface VolumeCapability {
  readonly access: AccessType;
  readonly mode: AccessMode;
}

/** A `map<string, string>` of the wire: StorageClass parameters, a volume's context. */
export type Parameters = Readonly<Partial<Record<string, string>>>;

export type VolumeSource =
  | { readonly type: 'snapshot'; readonly snapshotId: string }
  | { readonly type: 'volume'; readonly volumeId: string };

/** `Topology` of CSI: segments by their keys, such as `topology.rbd.csi-driver-ceph.io/zone`. */
export type Topology = Parameters;

/** `TopologyRequirement` of CSI: a volume has to be reached from one of these. */
export interface Accessibility {
  readonly requisite: readonly Topology[];
  /** The best first. */
  readonly preferred: readonly Topology[];
}

/** CreateVolumeRequest, checked for what does not depend on the backend. */
export interface VolumeSpec {
  readonly name: string;
  readonly capacity: CapacityRange;
  /** At least one. */
  readonly capabilities: readonly VolumeCapability[];
  readonly parameters: Parameters;
  readonly mutableParameters: Parameters;
  readonly source?: VolumeSource;
  /** Absent: the volume may be reached from anywhere. */
  readonly accessibility?: Accessibility;
  readonly secrets: Secrets;
}

/** `Volume` of CSI. */
export interface Volume {
  readonly volumeId: string;
  readonly capacityBytes: bigint;
  readonly context: Parameters;
  readonly source?: VolumeSource;
  /** Absent: it is reached from anywhere. */
  readonly accessibleTopology?: Topology;
}

/** `VolumeCondition` of CSI. */
export interface VolumeCondition {
  readonly abnormal: boolean;
  readonly message: string;
}

export interface VolumeStatus {
  readonly volume: Volume;
  readonly condition?: VolumeCondition;
}

/** `Snapshot` of CSI. */
export interface Snapshot {
  readonly snapshotId: string;
  readonly sourceVolumeId: string;
  readonly sizeBytes: bigint;
  readonly createdAt: Date;
  readonly readyToUse: boolean;
  /** Of the group snapshot that it is part of, and only goes with. */
  readonly groupSnapshotId?: string;
}

export interface SnapshotSpec {
  readonly name: string;
  readonly sourceVolumeId: string;
  readonly parameters: Parameters;
  readonly secrets: Secrets;
}

/** One page of a listing; `nextToken` is absent on the last one. */
export interface Page<T> {
  readonly entries: readonly T[];
  readonly nextToken?: string;
}

export interface PageRequest {
  /** 0: as many as the driver likes. */
  readonly maximumEntries: number;
  readonly startingToken?: string;
}
