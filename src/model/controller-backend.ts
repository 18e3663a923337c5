import type { CapacityRange } from './bytes.ts';
import type { Context } from './call.ts';
import type { Secrets } from './secret.ts';
import type {
  Page,
  PageRequest,
  Parameters,
  Snapshot,
  SnapshotSpec,
  Topology,
  Volume,
  VolumeCapability,
  VolumeSpec,
  VolumeStatus,
} from './volume.ts';

export interface VolumeReference {
  readonly volumeId: string;
  readonly secrets: Secrets;
}

export interface SnapshotReference {
  readonly snapshotId: string;
  readonly secrets: Secrets;
}

export interface ExpandRequest extends VolumeReference {
  readonly capacity: CapacityRange;
  readonly capability?: VolumeCapability;
}

export interface ExpandResult {
  readonly capacityBytes: bigint;
  readonly nodeExpansionRequired: boolean;
}

export interface ValidateRequest extends VolumeReference {
  readonly context: Parameters;
  readonly capabilities: readonly VolumeCapability[];
  readonly parameters: Parameters;
  readonly mutableParameters: Parameters;
}

export interface SnapshotQuery extends PageRequest {
  readonly snapshotId?: string;
  readonly sourceVolumeId?: string;
  readonly secrets: Secrets;
}

export interface CapacityQuery {
  readonly capabilities: readonly VolumeCapability[];
  readonly parameters: Parameters;
  /** For volumes that are reached from there. */
  readonly topology?: Topology;
}

export interface Capacity {
  readonly availableBytes: bigint;
  readonly maximumVolumeBytes?: bigint;
  readonly minimumVolumeBytes?: bigint;
}

export interface ModifyRequest extends VolumeReference {
  readonly mutableParameters: Parameters;
}

/**
 * What a kind of storage does for the CSI Controller service. Each method can be repeated: done already, it says
 * so again. They throw DriverError with the kinds that CSI's tables of error codes name for the RPC.
 *
 * An optional method that is absent is a capability that the driver does not advertise.
 */
export interface ControllerBackend {
  /**
   * The `volume_id` that `createVolume` will give, from the request alone, without asking Ceph: the driver locks
   * by it, so that a creation and a deletion of the same volume never run at once.
   */
  chooseVolumeId(spec: VolumeSpec): string;
  createVolume(spec: VolumeSpec, context: Context): Promise<Volume>;
  /** Resolves also for a volume that is gone or whose id this driver never gave. */
  deleteVolume(volume: VolumeReference, context: Context): Promise<void>;
  /** Why the capabilities are not possible, or undefined when they are. @throws `not-found` */
  validateVolume(request: ValidateRequest, context: Context): Promise<string | undefined>;
  expandVolume(request: ExpandRequest, context: Context): Promise<ExpandResult>;
  getVolume?(volumeId: string, context: Context): Promise<VolumeStatus>;
  listVolumes?(request: PageRequest, context: Context): Promise<Page<VolumeStatus>>;
  getCapacity?(query: CapacityQuery, context: Context): Promise<Capacity>;
  modifyVolume?(request: ModifyRequest, context: Context): Promise<void>;
  createSnapshot?(spec: SnapshotSpec, context: Context): Promise<Snapshot>;
  deleteSnapshot?(snapshot: SnapshotReference, context: Context): Promise<void>;
  getSnapshot?(snapshot: SnapshotReference, context: Context): Promise<Snapshot>;
  listSnapshots?(query: SnapshotQuery, context: Context): Promise<Page<Snapshot>>;
}
