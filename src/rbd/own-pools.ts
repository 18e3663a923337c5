import { listPools } from '../ceph/pool-list.ts';
import type { CephSession, PoolRef } from '../ceph/rbd-session.ts';
import type { Context } from '../model/call.ts';
import type { Sessions } from './sessions.ts';

/** A pool, or the namespace of it that the cluster's configuration names, with a session as the driver's own user. */
export interface OwnPool {
  readonly clusterId: string;
  readonly session: CephSession;
  readonly ref: PoolRef;
}

/** The pools for RBD of the clusters at which the driver has a user of its own, always in the same order. */
export async function listOwnPools(sessions: Sessions, context: Context): Promise<readonly OwnPool[]> {
  const clusters = [...sessions.ownClusters()].sort((a, b) => compare(a.clusterId, b.clusterId));
  const found = await Promise.all(
    clusters.map(async ({ clusterId, rbd }) => {
      const session = sessions.openOwn(clusterId, context);
      if (session === undefined) return [];
      const pools = (await listPools(session)).filter(pool => pool.applications.includes('rbd'));
      const names = pools.map(pool => pool.name).sort(compare);
      const { radosNamespace: namespace } = rbd;
      return names.map(pool => ({
        clusterId,
        session,
        ref: { pool, ...(namespace === undefined ? {} : { namespace }) },
      }));
    }),
  );
  return found.flat();
}

/** Byte order, which is the same everywhere. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
