import { joinParts, splitParts } from './handle.ts';

/** Where a group snapshot of RBD volumes is: the decoded `group_snapshot_id`. */
export interface RbdGroupHandle {
  readonly clusterId: string;
  readonly pool: string;
  /** RADOS namespace; absent for the default one. */
  readonly namespace?: string;
  readonly group: string;
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
