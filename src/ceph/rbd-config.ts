import { listMetadata, removeMetadata, writeMetadata } from './rbd-metadata.ts';
import type { CephSession, ImageRef } from './rbd-session.ts';

/**
 * An image's configuration is kept in its metadata, under keys that begin like this; a clone inherits it. librbd clients
 * that have the image open follow a change at once.
 */
const KEY_PREFIX = 'conf_';

/** The key of the image's metadata that holds an option of its configuration. */
export function metadataKeyOf(option: string): string {
  return `${KEY_PREFIX}${option}`;
}

/** The options that are set at the image itself, with their values as they were written (`100`, `10M`). */
export async function readImageConfig(
  session: CephSession,
  ref: ImageRef,
): Promise<ReadonlyMap<string, string>> {
  const options = [...(await listMetadata(session, ref))].filter(([key]) => key.startsWith(KEY_PREFIX));
  return new Map(options.map(([key, value]) => [key.slice(KEY_PREFIX.length), value]));
}

/** Sets an option of the image's configuration. @throws DriverError `invalid-argument` for one that librbd does not know. */
export async function setImageConfig(
  session: CephSession,
  ref: ImageRef,
  option: string,
  value: string,
): Promise<void> {
  await writeMetadata(session, ref, metadataKeyOf(option), value);
}

/** Removes an option from the image's configuration, so that the pool's holds; one that is not there is fine. */
export async function removeImageConfig(session: CephSession, ref: ImageRef, option: string): Promise<void> {
  await removeMetadata(session, ref, metadataKeyOf(option));
}
