import { parseOutput } from './failure.ts';
import { isObject } from './rbd-json.ts';
import {
  failCommand,
  imageSpec,
  operand,
  requireCeph,
  requireUnlessMissing,
  tryOperation,
  type CephCommand,
  type CephSession,
  type ImageRef,
} from './rbd-session.ts';

/** The value of a key of the image's metadata; undefined when the key or the image is not there. */
export async function readMetadata(
  session: CephSession,
  ref: ImageRef,
  key: string,
): Promise<string | undefined> {
  const spec = imageSpec(ref);
  const command: CephCommand = {
    program: 'rbd',
    args: ['image-meta', 'get', spec, key],
    what: `rbd image-meta get ${spec} ${key}`,
    operation: { name: 'read_metadata', args: { ...operand.image(ref), key } },
  };
  const result = await requireUnlessMissing(session, command);
  if (result === undefined) return undefined;
  return result.stdout.replace(/\n$/, '');
}

/** All keys of the image's metadata with their values. */
export async function listMetadata(
  session: CephSession,
  ref: ImageRef,
): Promise<ReadonlyMap<string, string>> {
  const what = `rbd image-meta list ${imageSpec(ref)}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['image-meta', 'list', imageSpec(ref), '--format', 'json'],
    what,
    operation: { name: 'list_metadata', args: operand.image(ref) },
  });
  // `rbd` prints nothing at all for an image without metadata.
  const metadata = result.stdout.trim() === '' ? {} : parseOutput(result, what);
  const entries = Object.entries(isObject(metadata) ? metadata : {});
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** Sets a key of the image's metadata; `value` must not begin with `--`, which `rbd` takes for an option. */
export async function writeMetadata(
  session: CephSession,
  ref: ImageRef,
  key: string,
  value: string,
): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['image-meta', 'set', spec, key, value],
    what: `rbd image-meta set ${spec} ${key}`,
    operation: { name: 'write_metadata', args: { ...operand.image(ref), key, value } },
    writesTo: [ref.pool],
    finishes: true,
  });
}

/**
 * Sets keys of the metadata of an image that nobody has open yet, the last one when all others are there: a session's
 * server sets them at once, programs one each.
 */
export async function writeNewMetadata(
  session: CephSession,
  ref: ImageRef,
  metadata: ReadonlyMap<string, string>,
): Promise<void> {
  const args = { ...operand.image(ref), metadata: Object.fromEntries(metadata) };
  const command = {
    what: `setting the metadata of ${imageSpec(ref)}`,
    operation: { name: 'set_new_metadata', args },
    writesTo: [ref.pool],
  } as const;
  const result = await tryOperation(session, command);
  if (result !== undefined) {
    if (result.exitCode !== 0) throw failCommand(session, command, result);
    return;
  }
  const entries = [...metadata];
  const last = entries.pop();
  await Promise.all(entries.map(([key, value]) => writeMetadata(session, ref, key, value)));
  if (last !== undefined) await writeMetadata(session, ref, ...last);
}

/** Removes a key of the image's metadata; one that is not there is fine. */
export async function removeMetadata(session: CephSession, ref: ImageRef, key: string): Promise<void> {
  const spec = imageSpec(ref);
  await requireUnlessMissing(session, {
    program: 'rbd',
    args: ['image-meta', 'remove', spec, key],
    what: `rbd image-meta remove ${spec} ${key}`,
    operation: { name: 'remove_metadata', args: { ...operand.image(ref), key } },
    writesTo: [ref.pool],
    finishes: true,
  });
}
