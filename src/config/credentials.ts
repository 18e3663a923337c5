import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';

/** A Ceph user with its key. */
export interface Credentials {
  /** Without `client.` in front. */
  readonly userId: string;
  readonly key: Secret;
}

/** The driver's own user at a cluster, or undefined where it has none there. */
export type CredentialSource = (clusterId: string) => Credentials | undefined;

function readValue(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw new DriverError('failed-precondition', `credentials: ${String(error)}`, { cause: error });
  }
}

/**
 * Credentials of `<directory>/<clusterID>/{userID,userKey}`, as a Secret mounted for each cluster gives them. Read
 * at each use: a rotated key counts from then on.
 */
export function createCredentialSource(directory: string): CredentialSource {
  return clusterId => {
    if (clusterId.includes('/') || clusterId.startsWith('.')) return undefined;
    const userId = readValue(join(directory, clusterId, 'userID'));
    const key = readValue(join(directory, clusterId, 'userKey'));
    if (userId === undefined || key === undefined || userId === '' || key === '') return undefined;
    return { userId, key: new Secret(key) };
  };
}
