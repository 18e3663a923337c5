import { ENOENT, parseOutput } from './failure.ts';
import { isObject } from './rbd-json.ts';
import {
  failCommand,
  imageSpec,
  missingPool,
  requireCeph,
  runCeph,
  type CephCommand,
  type CephSession,
  type ImageRef,
} from './rbd-session.ts';

/** An image's configuration is kept in its metadata, under keys that begin like this; a clone inherits it. */
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
  const what = `rbd image-meta list ${imageSpec(ref)}`;
  const args = ['image-meta', 'list', imageSpec(ref), '--format', 'json'];
  const result = await requireCeph(session, { program: 'rbd', args, what });
  // Nothing at all is printed for an image without metadata.
  const metadata = result.stdout.trim() === '' ? {} : parseOutput(result, what);
  const entries = Object.entries(isObject(metadata) ? metadata : {});
  return new Map(
    entries
      .filter(
        (entry): entry is [string, string] => entry[0].startsWith(KEY_PREFIX) && typeof entry[1] === 'string',
      )
      .map(([key, value]) => [key.slice(KEY_PREFIX.length), value]),
  );
}

/** Sets an option of the image's configuration; librbd clients that have it open follow at once. */
export async function setImageConfig(
  session: CephSession,
  ref: ImageRef,
  option: string,
  value: string,
): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['config', 'image', 'set', spec, option, value],
    what: `rbd config image set ${spec} ${option} ${value}`,
    writesTo: [ref.pool],
    finishes: true,
  });
}

/** Removes an option from the image's configuration, so that the pool's holds; one that is not there is fine. */
export async function removeImageConfig(session: CephSession, ref: ImageRef, option: string): Promise<void> {
  const spec = imageSpec(ref);
  const command: CephCommand = {
    program: 'rbd',
    args: ['config', 'image', 'remove', spec, option],
    what: `rbd config image remove ${spec} ${option}`,
    writesTo: [ref.pool],
    finishes: true,
  };
  const result = await runCeph(session, command);
  if (result.exitCode === 0 || (result.exitCode === ENOENT && missingPool(result) === undefined)) return;
  throw failCommand(session, command, result);
}
