import { ENOENT } from './failure.ts';
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
  };
  const result = await runCeph(session, command);
  if (result.exitCode === ENOENT && missingPool(result) === undefined) return undefined;
  if (result.exitCode !== 0) throw failCommand(session, command, result);
  return result.stdout.replace(/\n$/, '');
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
    writesTo: [ref.pool],
    finishes: true,
  });
}

/** Removes a key of the image's metadata; one that is not there is fine. */
export async function removeMetadata(session: CephSession, ref: ImageRef, key: string): Promise<void> {
  const spec = imageSpec(ref);
  const command: CephCommand = {
    program: 'rbd',
    args: ['image-meta', 'remove', spec, key],
    what: `rbd image-meta remove ${spec} ${key}`,
    writesTo: [ref.pool],
    finishes: true,
  };
  const result = await runCeph(session, command);
  if (result.exitCode === 0 || (result.exitCode === ENOENT && missingPool(result) === undefined)) return;
  throw failCommand(session, command, result);
}
