import type { Connection } from '../../../ceph/connection.ts';
import type { Context } from '../../../model/call.ts';
import type { Host } from '../../../mount/host.ts';
import type { VolumePlace } from '../../places.ts';
import type { Mounter } from '../../volume-context.ts';

/** An image that a node maps, and for which volume. */
export interface NodeImage extends VolumePlace {
  readonly volumeId: string;
  /**
   * Ceph's ID of the image, which tells it from one of the same name in another cluster, and from one that was
   * deleted and made anew. Absent when the node has lost its note of it and has no cluster to ask.
   */
  readonly imageId?: string;
}

export interface MapRequest extends NodeImage {
  readonly connection: Connection;
  /** Nobody can write through the device. */
  readonly readOnly: boolean;
  /** What the user gave for this mapper, as `name` or `name=value`. */
  readonly options: readonly string[];
}

/** What of an image decides which mappers can be used. */
export interface ImageNeeds {
  readonly features: readonly string[];
  /** The limits that its client has to keep to; asked of Ceph, so not before they matter. */
  readonly listLimits: () => Promise<readonly string[]>;
}

/** An image that is a block device of this node now. */
export interface Mapping {
  readonly device: string;
  readonly readOnly: boolean;
  /** Why the device is there but does not answer any more, and will not again. */
  readonly fault?: string;
}

/**
 * A way to make an RBD image a block device. It remembers nothing: what is mapped is asked of the system each time,
 * so that a driver that was killed and started again finds what it left. Each method can be repeated.
 */
export interface Mapper {
  readonly name: Mounter;
  /** Why this node cannot map such an image in this way, in words; undefined when it can. */
  findObstacle(needs: ImageNeeds, context: Context): Promise<string | undefined>;
  /** Needs no cluster, and does not wait for one. */
  find(image: NodeImage, host: Host): Promise<Mapping | undefined>;
  /**
   * To be called when `find` finds nothing; what an interrupted earlier call left is cleaned up first.
   * @throws DriverError of the kind that the program's exit code stands for.
   */
  map(request: MapRequest, host: Host): Promise<Mapping>;
  /**
   * Takes the device away, and what an interrupted `map` left; resolves when there is nothing. Needs no cluster.
   * @param options what the user gave for unmapping.
   * @throws DriverError `failed-precondition` when the device is in use.
   */
  unmap(image: NodeImage, options: readonly string[], host: Host): Promise<void>;
  /** Makes the device see that its image has another size now; a moment may pass until it does. */
  refresh(image: NodeImage, host: Host): Promise<void>;
}
