import type { Connection } from '../ceph/connection.ts';
import type { Cluster } from '../config/clusters.ts';
import { DriverError } from '../model/errors.ts';
import type { Secrets } from '../model/secret.ts';

type Role = 'admin' | 'user';

function readPair(secrets: Secrets, role: Role): Pick<Connection, 'userId' | 'key'> | undefined {
  const userId = secrets[`${role}ID`]?.reveal().trim();
  const key = secrets[`${role}Key`];
  if (userId === undefined || userId === '' || key === undefined || key.reveal() === '') return undefined;
  return { userId, key };
}

/** Whether any of the keys of a Secret is there, complete or not. */
export function hasCredentials(secrets: Secrets): boolean {
  return ['adminID', 'adminKey', 'userID', 'userKey'].some(key => secrets[key] !== undefined);
}

function connect(cluster: Cluster, secrets: Secrets, roles: readonly [Role, Role]): Connection {
  const pair = readPair(secrets, roles[0]) ?? readPair(secrets, roles[1]);
  if (pair === undefined) {
    const [first, second] = roles;
    throw new DriverError(
      'invalid-argument',
      `secrets: ${first}ID and ${first}Key are missing, and so are ${second}ID and ${second}Key`,
    );
  }
  return { monitors: cluster.monitors, ...pair };
}

/**
 * The connection by which volumes are made: with adminID and adminKey, or userID and userKey where a Secret has
 * these only. @throws DriverError `invalid-argument`
 */
export function adminConnection(cluster: Cluster, secrets: Secrets): Connection {
  return connect(cluster, secrets, ['admin', 'user']);
}

/** The connection by which a node mounts: with userID and userKey, else adminID and adminKey. */
export function userConnection(cluster: Cluster, secrets: Secrets): Connection {
  return connect(cluster, secrets, ['user', 'admin']);
}
