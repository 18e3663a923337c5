import { DriverError } from '../model/errors.ts';
import { queryCluster, requireList, requireObject, requireText, type ClusterAccess } from './ceph-command.ts';

/** A file system of a cluster. */
export interface FileSystem {
  readonly name: string;
  readonly metadataPool: string;
  /** At least one; the first holds what names no other. */
  readonly dataPools: readonly string[];
}

/** All file systems of the cluster. */
export async function listFileSystems(access: ClusterAccess): Promise<readonly FileSystem[]> {
  const what = 'listing the file systems';
  const answer = await queryCluster({ target: 'mon', prefix: 'fs ls', args: {} }, what, access);
  return requireList(answer, what).map(item => {
    const fields = requireObject(item, what);
    return {
      name: requireText(fields, 'name', what),
      metadataPool: requireText(fields, 'metadata_pool', what),
      dataPools: requireList(fields['data_pools'], what).map(String),
    };
  });
}

/** @throws DriverError `not-found` naming those that there are. */
export async function requireFileSystem(fsName: string, access: ClusterAccess): Promise<FileSystem> {
  const all = await listFileSystems(access);
  const found = all.find(({ name }) => name === fsName);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => `"${name}"`).join(', ') || 'none';
  throw new DriverError(
    'not-found',
    `fsName: there is no file system "${fsName}" in the cluster; it has ${names}`,
  );
}

/** Bytes that can still be written to a pool, replication counted. @throws DriverError `not-found` */
export async function readAvailableBytes(pool: string, access: ClusterAccess): Promise<bigint> {
  const what = 'reading the free space of the pools';
  const answer = requireObject(
    await queryCluster({ target: 'mon', prefix: 'df', args: {} }, what, access),
    what,
  );
  const pools = requireList(answer['pools'], what).map(item => requireObject(item, what));
  const found = pools.find(fields => fields['name'] === pool);
  if (found === undefined) throw new DriverError('not-found', `pool: there is no pool "${pool}"`);
  const available = requireObject(found['stats'], what)['max_avail'];
  if (typeof available !== 'number') throw new DriverError('internal', `${what}: there is no max_avail`);
  return BigInt(Math.trunc(available));
}

/**
 * What is wrong with the metadata servers of a file system, or undefined when each rank has one.
 * Ranks that are damaged, failed or without a server make calls of clients wait.
 */
export async function describeRankProblem(
  fsName: string,
  access: ClusterAccess,
): Promise<string | undefined> {
  const what = `reading the state of file system ${fsName}`;
  const answer = requireObject(
    await queryCluster({ target: 'mon', prefix: 'fs get', args: { fs_name: fsName } }, what, access),
    what,
  );
  const map = requireObject(answer['mdsmap'], what);
  const damaged = requireList(map['damaged'], what);
  if (damaged.length > 0) return `rank ${damaged.join(', ')} of file system ${fsName} is damaged`;
  const up = requireObject(map['up'], what);
  const missing = requireList(map['in'], what).filter(rank => up[`mds_${String(rank)}`] === undefined);
  if (missing.length === 0) return undefined;
  return `rank ${missing.join(', ')} of file system ${fsName} has no metadata server`;
}
