import { listPools, readPoolSpace, type PoolInfo, type PoolSpace } from '../ceph/pool-list.ts';
import type { CephSession } from '../ceph/rbd-session.ts';
import { MIB } from '../model/bytes.ts';
import type { Context } from '../model/call.ts';
import type { Capacity, CapacityQuery } from '../model/controller-backend.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import { explainUnsupported } from './access-modes.ts';
import { parseImageParameters } from './parameters.ts';
import type { Sessions } from './sessions.ts';

/** What can still be stored in a pool: what Ceph says, after replication or erasure coding, within its quota. */
function availableIn(pool: PoolInfo, space: PoolSpace | undefined): bigint {
  if (space === undefined) return 0n;
  if (pool.quotaBytes === undefined) return space.availableBytes;
  const left = pool.quotaBytes > space.storedBytes ? pool.quotaBytes - space.storedBytes : 0n;
  return left < space.availableBytes ? left : space.availableBytes;
}

/** @param name of a pool; absent: the one with the most space of those for RBD. */
async function readAvailable(session: CephSession, name?: string): Promise<bigint> {
  const [pools, spaces] = await Promise.all([listPools(session), readPoolSpace(session)]);
  const asked = pools.filter(pool =>
    name === undefined ? pool.applications.includes('rbd') : pool.name === name,
  );
  if (name !== undefined && asked.length === 0) {
    throw new DriverError('invalid-argument', `parameters: there is no pool "${name}"`);
  }
  const available = asked.map(pool => availableIn(pool, spaces.get(pool.name)));
  return available.reduce((most, bytes) => (bytes > most ? bytes : most), 0n);
}

async function readAsked(sessions: Sessions, query: CapacityQuery, context: Context): Promise<bigint> {
  const { topology } = query;
  const accessibility = topology === undefined ? undefined : { requisite: [topology], preferred: [] };
  if (query.parameters['clusterID'] === undefined) {
    const all = sessions.ownClusters().map(async ({ clusterId }) => {
      const session = sessions.openOwn(clusterId, context);
      return session === undefined ? 0n : readAvailable(session);
    });
    return (await Promise.all(all)).reduce((most, bytes) => (bytes > most ? bytes : most), 0n);
  }
  const { clusterId, pool } = parseImageParameters(query.parameters, context.log, accessibility);
  const session = sessions.openOwn(clusterId, context);
  if (session === undefined) {
    throw new DriverError(
      'failed-precondition',
      `parameters: the driver has no credentials of its own for clusterID "${clusterId}"`,
    );
  }
  return readAvailable(session, pool.dataPool ?? pool.name);
}

/** How much can be provisioned with a StorageClass; without one, in the pool for RBD that has the most space. */
export async function readCapacity(
  sessions: Sessions,
  query: CapacityQuery,
  context: Context,
): Promise<Capacity> {
  if (explainUnsupported(query.capabilities) !== undefined) return { availableBytes: 0n };
  try {
    return { availableBytes: await readAsked(sessions, query, context), minimumVolumeBytes: MIB };
  } catch (error) {
    // No pool of the class is reached from there.
    if (isErrorOfKind(error, 'resource-exhausted')) return { availableBytes: 0n };
    throw error;
  }
}
