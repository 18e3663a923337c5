import type { Connection } from '../ceph/connection.ts';
import type { CephSession } from '../ceph/rbd-session.ts';
import type { SessionServers } from '../ceph/session-servers.ts';
import type { Cluster, ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Secret, Secrets } from '../model/secret.ts';

/** Opens sessions at the clusters that the driver knows. */
export interface Sessions {
  /** @throws DriverError `invalid-argument` for an unknown cluster ID. */
  cluster(clusterId: string): Cluster;
  /**
   * A session with the credentials of the request's secrets; without any, with the driver's own.
   * @throws DriverError `invalid-argument` when there are neither, or the cluster ID is unknown.
   */
  open(clusterId: string, secrets: Secrets, context: Context): CephSession;
  /** A session as the driver's own user, or undefined where it has none at the cluster. */
  openOwn(clusterId: string, context: Context): CephSession | undefined;
  /** The clusters at which the driver has a user of its own. */
  ownClusters(): readonly Cluster[];
}

/** A key without a value counts as missing: Ceph would only say that it refuses it. */
function findSecret(secrets: Secrets, key: string): Secret | undefined {
  const secret = secrets[key];
  return secret?.reveal() === '' ? undefined : secret;
}

const NO_CREDENTIALS: CredentialSource = () => undefined;

export function createSessions(
  exec: Exec,
  clusters: ClusterSource,
  ownCredentials: CredentialSource = NO_CREDENTIALS,
  servers?: SessionServers,
): Sessions {
  const tools = { exec, ...(servers === undefined ? {} : { servers }) };

  function openOwn(clusterId: string, context: Context): CephSession | undefined {
    const credentials = ownCredentials(clusterId);
    if (credentials === undefined) return undefined;
    const { monitors } = clusters.find(clusterId);
    return { ...tools, connection: { monitors, ...credentials }, context };
  }

  function open(clusterId: string, secrets: Secrets, context: Context): CephSession {
    const { monitors } = clusters.find(clusterId);
    const userID = findSecret(secrets, 'userID');
    const userKey = findSecret(secrets, 'userKey');
    if (userID !== undefined && userKey !== undefined) {
      const connection: Connection = { monitors, userId: userID.reveal(), key: userKey };
      return { ...tools, connection, context };
    }
    const own = userID === undefined && userKey === undefined ? openOwn(clusterId, context) : undefined;
    if (own !== undefined) return own;
    const missing = userID === undefined ? 'userID' : 'userKey';
    throw new DriverError(
      'invalid-argument',
      `secrets: ${missing} is missing; a Secret of a Ceph user has userID and userKey`,
    );
  }

  return {
    cluster: clusterId => clusters.find(clusterId),
    open,
    openOwn,
    ownClusters: () => clusters.list().filter(cluster => ownCredentials(cluster.clusterId) !== undefined),
  };
}
