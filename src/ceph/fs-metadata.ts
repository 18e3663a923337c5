import type { CommandResult } from '../exec/command.ts';
import { requireObject, type ClusterAccess } from './ceph-command.ts';
import { EINVAL, failureOf, parseOutput } from './failure.ts';
import { printPlace, subvolumeArguments, type SubvolumePlace } from './fs-subvolume.ts';

/**
 * Ceph releases that do not have a command answer so: `no valid command found`, `invalid command`; over a connection
 * (16.2): `No handler found for '…'`.
 */
export function isUnknownCommand({ exitCode, stderr }: CommandResult): boolean {
  return exitCode === EINVAL && /no valid command found|invalid command|No handler found/.test(stderr);
}

/**
 * The value of a key of a subvolume's metadata; undefined when it has none, or the Ceph release has no metadata.
 * Ceph keeps keys in small letters.
 */
export async function readSubvolumeMetadata(
  place: SubvolumePlace,
  key: string,
  access: ClusterAccess,
): Promise<string | undefined> {
  const what = `reading the metadata of ${printPlace(place)}`;
  const { run, connection, context } = access;
  const args = subvolumeArguments(place);
  const result = await run(connection, { target: 'mgr', prefix: 'fs subvolume metadata ls', args }, context);
  if (isUnknownCommand(result)) return undefined;
  if (result.exitCode !== 0) throw failureOf(result, { what, connection });
  const value = requireObject(parseOutput(result, what), what)[key];
  return typeof value === 'string' ? value : undefined;
}

/** Sets a key of a subvolume's metadata. Where the Ceph release has none, nothing happens. */
export async function writeSubvolumeMetadata(
  place: SubvolumePlace,
  entry: { readonly key: string; readonly value: string },
  access: ClusterAccess,
): Promise<void> {
  const { run, connection, context } = access;
  const args = { ...subvolumeArguments(place), key_name: entry.key, value: entry.value };
  const result = await run(connection, { target: 'mgr', prefix: 'fs subvolume metadata set', args }, context);
  if (result.exitCode === 0 || isUnknownCommand(result)) return;
  throw failureOf(result, { what: `setting the metadata ${entry.key} of ${printPlace(place)}`, connection });
}
