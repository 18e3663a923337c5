import type { Context } from './call.ts';
import type { Secrets } from './secret.ts';
import type { Parameters, Snapshot } from './volume.ts';

export interface GroupSnapshotSpec {
  readonly name: string;
  /** At least one, none twice. */
  readonly sourceVolumeIds: readonly string[];
  readonly parameters: Parameters;
  readonly secrets: Secrets;
}

export interface GroupSnapshotReference {
  readonly groupSnapshotId: string;
  /** Those that the caller takes for its members; empty: it does not say. */
  readonly snapshotIds: readonly string[];
  readonly secrets: Secrets;
}

/** `VolumeGroupSnapshot` of CSI: one snapshot of each volume, all of the same point in time. */
export interface VolumeGroupSnapshot {
  readonly groupSnapshotId: string;
  readonly snapshots: readonly Snapshot[];
  readonly createdAt: Date;
  readonly readyToUse: boolean;
}

/**
 * What a kind of storage does for the CSI GroupController service. Each method can be repeated; a group snapshot is
 * there with all its snapshots, or not at all.
 */
export interface GroupSnapshotBackend {
  /** Whether the other methods can do their work with the programs that are installed here. */
  canGroupSnapshots(): Promise<boolean>;
  /** The identifier that `createGroupSnapshot` will give, from the request alone. The driver locks by it. */
  chooseGroupSnapshotId(spec: GroupSnapshotSpec): string;
  /** @throws DriverError `failed-precondition` when these volumes cannot have a snapshot together. */
  createGroupSnapshot(spec: GroupSnapshotSpec, context: Context): Promise<VolumeGroupSnapshot>;
  /** Resolves also for one that is gone. @throws DriverError `invalid-argument` when the members are others. */
  deleteGroupSnapshot(reference: GroupSnapshotReference, context: Context): Promise<void>;
  /** @throws DriverError `not-found`, or `invalid-argument` when the members are others. */
  getGroupSnapshot(reference: GroupSnapshotReference, context: Context): Promise<VolumeGroupSnapshot>;
}
