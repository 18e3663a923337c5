import type { Context } from './call.ts';
import type { Secrets } from './secret.ts';

/** `BlockMetadata` of CSI: bytes. */
export interface BlockRange {
  readonly offset: bigint;
  readonly length: bigint;
}

export interface AllocatedRequest {
  readonly snapshotId: string;
  /** Bytes: what lies before is of no interest. */
  readonly startingOffset: bigint;
  readonly secrets: Secrets;
}

export interface DeltaRequest {
  readonly baseSnapshotId: string;
  readonly targetSnapshotId: string;
  /** Bytes of the target: what lies before is of no interest. */
  readonly startingOffset: bigint;
  readonly secrets: Secrets;
}

/** Ranges of a snapshot. */
export interface SnapshotBlocks {
  readonly volumeCapacityBytes: bigint;
  /**
   * Some ranges at a time, by ascending offset from the starting offset on, none overlapping another, of any length.
   * Nothing is asked of Ceph before the first is taken; leaving the iteration ends the asking.
   */
  readonly ranges: AsyncIterable<readonly BlockRange[]>;
}

/**
 * What a kind of storage does for the CSI SnapshotMetadata service. Both throw DriverError `not-found` for a snapshot
 * that is not there, and `out-of-range` for a starting offset beyond the snapshot's size.
 */
export interface SnapshotMetadataBackend {
  /** The ranges that hold data: all others read as zeros. */
  listAllocated(request: AllocatedRequest, context: Context): Promise<SnapshotBlocks>;
  /**
   * The ranges in which the target may differ from the base, an earlier snapshot of the same volume.
   * @throws DriverError `invalid-argument` when the base is of another volume or later than the target.
   */
  listChanged(request: DeltaRequest, context: Context): Promise<SnapshotBlocks>;
}
