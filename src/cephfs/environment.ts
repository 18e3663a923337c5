import type { ClusterAccess, CommandRunner } from '../ceph/ceph-command.ts';
import type { SessionServers } from '../ceph/session-servers.ts';
import type { Cluster, ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Secrets } from '../model/secret.ts';
import { adminConnection, hasCredentials } from './credentials.ts';

/** What the controller's functions work with. */
export interface Environment {
  readonly exec: Exec;
  /** Connections that stay open, for the index of snapshot names; absent: programs do everything. */
  readonly servers?: SessionServers;
  readonly runCommands: CommandRunner;
  readonly clusters: ClusterSource;
  readonly ownCredentials: CredentialSource;
}

/**
 * A cluster with the credentials of the request's secrets; without any, with the driver's own.
 * @throws DriverError `invalid-argument` when there are neither.
 */
export function openCluster(
  cluster: Cluster,
  secrets: Secrets,
  environment: Environment,
  context: Context,
): ClusterAccess {
  const own = hasCredentials(secrets) ? undefined : openOwnCluster(cluster, environment, context);
  if (own !== undefined) return own;
  return { run: environment.runCommands, connection: adminConnection(cluster, secrets), context };
}

/** A cluster as the driver itself may use it, or undefined where it has no credentials of its own there. */
export function openOwnCluster(
  cluster: Cluster,
  environment: Environment,
  context: Context,
): ClusterAccess | undefined {
  const credentials = environment.ownCredentials(cluster.clusterId);
  if (credentials === undefined) return undefined;
  return {
    run: environment.runCommands,
    connection: { monitors: cluster.monitors, ...credentials },
    context,
  };
}

/** @throws DriverError `failed-precondition` where the driver has no credentials of its own. */
export function requireOwnCluster(
  cluster: Cluster,
  environment: Environment,
  context: Context,
): ClusterAccess {
  const access = openOwnCluster(cluster, environment, context);
  if (access !== undefined) return access;
  throw new DriverError(
    'failed-precondition',
    `clusterID: the driver has no credentials of its own for "${cluster.clusterId}", and this call carries none`,
  );
}
