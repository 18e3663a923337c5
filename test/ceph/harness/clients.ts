/** Which clients of Ceph the node suites use. */
export interface TestedClients {
  readonly mapper: 'krbd' | 'nbd' | 'fuse';
  readonly mounter: 'kernel' | 'fuse';
}

const MAPPERS = ['krbd', 'nbd', 'fuse'] as const;
const MOUNTERS = ['kernel', 'fuse'] as const;

function choose<Name extends string>(variable: string, names: readonly Name[], fallback: Name): Name {
  const value = process.env[variable] ?? fallback;
  const name = names.find(candidate => candidate === value);
  if (name === undefined) throw new Error(`${variable}: "${value}" is not one of ${names.join(', ')}`);
  return name;
}

/**
 * Those that need nothing of the kernel but FUSE and loop devices, unless the environment names others: the suite of
 * kernel clients does, in a guest that has them.
 */
export const clients: TestedClients = {
  mapper: choose('TEST_MAPPER', MAPPERS, 'fuse'),
  mounter: choose('TEST_MOUNTER', MOUNTERS, 'fuse'),
};
