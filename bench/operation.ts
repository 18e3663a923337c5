/** What a load consists of, in the order in which it is done. */
export const OPERATIONS = [
  'create',
  'create again',
  'snapshot',
  'restore',
  'clone',
  // After the copies, which are as large as their sources were.
  'expand',
  'delete snapshot',
  'delete',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export const BACKENDS = ['rbd', 'cephfs'] as const;
export type Backend = (typeof BACKENDS)[number];

/** How much of it. */
export interface Amount {
  readonly volumes: number;
  /** Of how many of the volumes there will be a snapshot, a restore of it, and a clone. */
  readonly copies: number;
  /** Calls at a time. */
  readonly concurrency: number;
  readonly operations: readonly Operation[];
}

/** Milliseconds until it is looked again whether a copy that Ceph makes in the background is complete. */
export const COPY_PAUSE = 250;
