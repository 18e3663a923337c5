/** What a session's server can be asked for (src/ceph/session/operations.py), and whether that changes anything. */
export const OPERATIONS = {
  image_info: 'reads',
  image_watchers: 'reads',
  image_usage: 'reads',
  create_image: 'writes',
  remove_image: 'writes',
  rename_image: 'writes',
  grow_image: 'writes',
  list_images: 'reads',
  list_images_and_snapshots: 'reads',
  read_metadata: 'reads',
  list_metadata: 'reads',
  write_metadata: 'writes',
  remove_metadata: 'writes',
  set_new_metadata: 'writes',
  list_snapshots: 'reads',
  create_snapshot: 'writes',
  remove_snapshot: 'writes',
  clone_snapshot: 'writes',
  list_clones: 'reads',
  move_to_trash: 'writes',
  list_trash: 'reads',
  remove_from_trash: 'writes',
  read_object: 'reads',
  stat_object: 'reads',
  read_omap_value: 'reads',
  list_omap_keys: 'reads',
  write_omap_value: 'writes',
  remove_omap_key: 'writes',
  monitor_command: 'commands',
  manager_command: 'commands',
} as const;

export type OperationName = keyof typeof OPERATIONS;

/** An operation with the named arguments of its function; a value of undefined is the same as none. */
export interface Operation {
  readonly name: OperationName;
  readonly args: Readonly<Partial<Record<string, unknown>>>;
}

/** An operation, and how long to wait for it. */
export interface OperationRequest extends Operation {
  /** What is attempted, for errors. */
  readonly what: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Whether it changes images or objects. It is waited for until it has ended, since a client that ends half-way leaves a
 * lock behind; and it is not run again when nobody knows what came of it. Reading can be left and repeated at any time, as
 * can commands of the monitors and the manager: those go on with one whoever waits, and all that the driver sends can
 * be repeated.
 */
export function isChange({ name }: Operation): boolean {
  return OPERATIONS[name] === 'writes';
}
