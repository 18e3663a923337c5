import { joinParts, splitParts } from './handle.ts';

/** Where a group snapshot of RBD volumes is: the decoded `group_snapshot_id`. */
export interface RbdGroupHandle {
  readonly clusterId: string;
  readonly pool: string;
  /** RADOS namespace; absent for the default one. */
  readonly namespace?: string;
  readonly group: string;
}

/** Where a group snapshot of CephFS volumes is: the decoded `group_snapshot_id`. */
export interface CephfsGroupHandle {
  readonly clusterId: string;
  readonly fsName: string;
  /** The subvolume group of the volumes. */
  readonly group: string;
  /** The subvolume that stands for it. */
  readonly subvolume: string;
}

/**
 * The `group_snapshot_id`: `cephfsg1/<cluster>/<file system>/<group>/<subvolume>`, each part percent-encoded.
 * @throws DriverError `invalid-argument` when it would exceed 128 bytes.
 */
export function encodeCephfsGroupHandle(handle: CephfsGroupHandle): string {
  const { clusterId, fsName, group, subvolume } = handle;
  return joinParts('cephfsg1', [clusterId, fsName, group, subvolume], 'group_snapshot_id');
}

/** The location that a `group_snapshot_id` names, or undefined for one that this driver did not write. */
export function decodeCephfsGroupHandle(id: string): CephfsGroupHandle | undefined {
  const parts = splitParts('cephfsg1', id);
  if (parts?.length !== 4) return undefined;
  const [clusterId = '', fsName = '', group = '', subvolume = ''] = parts;
  return { clusterId, fsName, group, subvolume };
}

/**
 * The `group_snapshot_id`: `rbdg1/<cluster>/<pool>[/<namespace>]/<group>`, each part percent-encoded.
 * @throws DriverError `invalid-argument` when it would exceed 128 bytes.
 */
export function encodeGroupHandle({ clusterId, pool, namespace, group }: RbdGroupHandle): string {
  const space = namespace === undefined ? [] : [namespace];
  return joinParts('rbdg1', [clusterId, pool, ...space, group], 'group_snapshot_id');
}

/** The location that a `group_snapshot_id` names, or undefined for one that this driver did not write. */
export function decodeGroupHandle(id: string): RbdGroupHandle | undefined {
  const parts = splitParts('rbdg1', id);
  if (parts?.length !== 3 && parts?.length !== 4) return undefined;
  const [clusterId = '', pool = ''] = parts;
  const group = parts.at(-1) ?? '';
  const namespace = parts.length === 4 ? parts[2] : undefined;
  return { clusterId, pool, ...(namespace === undefined ? {} : { namespace }), group };
}
