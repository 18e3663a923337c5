import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Secret } from '../model/secret.ts';

/** A file system in memory: what is written there never reaches a disk. */
const MEMORY = '/dev/shm';

/**
 * Opens an unlinked file on tmpfs that holds the secret. `--keyfile` of Ceph's programs needs a regular file, and
 * ignores a pipe without a word; a descriptor of an unlinked one works, and leaves nothing behind, however the
 * driver ends.
 * @returns the descriptor, to be closed by the caller once the child has it.
 */
export function openSecretFile(secret: Secret): number {
  const path = join(MEMORY, `csi-driver-ceph-${randomBytes(12).toString('hex')}`);
  const writer = openSync(path, 'wx', 0o600);
  try {
    writeSync(writer, secret.reveal());
    return openSync(path, 'r');
  } finally {
    closeSync(writer);
    unlinkSync(path);
  }
}
