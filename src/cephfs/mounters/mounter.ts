import type { Connection } from '../../ceph/connection.ts';
import type { Context } from '../../model/call.ts';
import type { Host } from '../../mount/host.ts';
import type { Mount } from '../../mount/mountinfo.ts';
import type { Mounter as MounterName } from '../volume-context.ts';

/** A directory of a file system, and for which volume. */
export interface MountedVolume {
  readonly volumeId: string;
  /** Absolute in the file system. */
  readonly path: string;
}

export interface MountRequest extends MountedVolume {
  readonly connection: Connection;
  readonly fsName: string;
  /** Where it is mounted: a directory that exists, as `resolveMountPath` gives it. */
  readonly target: string;
  /** Merged; `ro` among them for a read-only mount. */
  readonly options: readonly string[];
}

/** A way to mount CephFS. It remembers nothing: what is mounted is read from mountinfo. */
export interface Mounter {
  readonly name: Exclude<MounterName, 'auto'>;
  /** Why this node cannot mount in this way, in words; undefined when it can. */
  findObstacle(context: Context): Promise<string | undefined>;
  /** Whether a mount is one that `mount` made of this volume. */
  isMountOf(mount: Mount, volume: MountedVolume): boolean;
  /** @throws DriverError of the kind that fits what the program said. */
  mount(request: MountRequest, host: Host): Promise<void>;
}
