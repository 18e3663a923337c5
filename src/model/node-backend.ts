import type { Context } from './call.ts';
import type { Secrets } from './secret.ts';
import type { Parameters, VolumeCapability, VolumeCondition } from './volume.ts';

export interface StageRequest {
  readonly volumeId: string;
  readonly stagingPath: string;
  readonly capability: VolumeCapability;
  readonly context: Parameters;
  readonly publishContext: Parameters;
  readonly secrets: Secrets;
}

export interface UnstageRequest {
  readonly volumeId: string;
  readonly stagingPath: string;
}

export interface NodeExpandRequest {
  readonly volumeId: string;
  /** Where the volume is published or staged: a mount point, or the device node of a raw block volume. */
  readonly volumePath: string;
  readonly stagingPath?: string;
  readonly secrets: Secrets;
}

/**
 * What a kind of storage does for the CSI Node service. Nothing is remembered between calls: each asks the system
 * what is mounted and mapped, so that a restart of the driver changes nothing. Each method can be repeated.
 *
 * After `stageVolume`, a file-system volume is mounted at `stagingPath`, and a raw block volume's device node is
 * bind-mounted on the file `blockDevicePath(stagingPath)` (src/mount); publishing binds from there and is the same
 * for every backend.
 */
export interface NodeBackend {
  stageVolume(request: StageRequest, context: Context): Promise<void>;
  unstageVolume(request: UnstageRequest, context: Context): Promise<void>;
  /** The size in bytes after the device and its file system have grown to what the image is. */
  expandVolume?(request: NodeExpandRequest, context: Context): Promise<bigint>;
  /**
   * Whether what is staged has died, so that it has to be staged anew before it can be published: asked by each
   * publication, and answered within seconds whatever is wrong. Absent: publishing tells.
   */
  isDead?(request: UnstageRequest, context: Context): Promise<boolean>;
  /** What the backend knows of the health of a staged volume beyond its file system; undefined: nothing wrong. */
  checkVolume?(request: UnstageRequest, context: Context): Promise<VolumeCondition | undefined>;
}
