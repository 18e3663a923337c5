import type { ExecStream } from '../exec/stream.ts';
import { DriverError } from '../model/errors.ts';
import { connectionArguments } from './connection.ts';
import { ENOENT } from './failure.ts';
import { readJsonList } from './json-list.ts';
import { isObject, numberOf, stringOf } from './rbd-json.ts';
import { failCommand, imageSpec, missingPool, type CephCommand, type CephSession } from './rbd-session.ts';
import type { ImageRef } from './rbd-session.ts';

/** A range of an image that differs; bytes. */
export interface DiffRange {
  readonly offset: bigint;
  readonly length: bigint;
  /** False: there is nothing any more, which reads as zeros. */
  readonly exists: boolean;
}

/** Milliseconds. Each object is asked for, and then the reader may take its time. */
const TIMEOUT = 24 * 3_600_000;

function readRange(value: unknown): DiffRange {
  if (!isObject(value)) throw new DriverError('internal', 'rbd diff: the list holds something else');
  return {
    offset: BigInt(numberOf(value, 'offset')),
    length: BigInt(numberOf(value, 'length')),
    exists: stringOf(value, 'exists') === 'true',
  };
}

/**
 * In which ranges a snapshot differs from an earlier one of the same image; without one, from an empty image. They
 * come by ascending offset, do not overlap, and may be somewhat larger than what was written. What a clone shares
 * with its parent counts as its own.
 * @throws DriverError `aborted` when the image or a snapshot is not there (any more) by that name.
 */
export async function* diffSnapshot(
  execStream: ExecStream,
  session: CephSession,
  ref: ImageRef,
  snapshots: { readonly target: string; readonly base?: string },
): AsyncGenerator<readonly DiffRange[], void, undefined> {
  const { connection, context } = session;
  const { base, target } = snapshots;
  const spec = `${imageSpec(ref)}@${target}`;
  const from = base === undefined ? [] : ['--from-snap', base];
  const args = ['diff', ...from, spec, '--format', 'json'];
  const command: CephCommand = { program: 'rbd', args, what: `comparing ${[spec, ...from].join(' ')}` };
  const pieces = execStream(
    { program: command.program, args: [...connectionArguments(connection), ...args], timeout: TIMEOUT },
    context,
    result => {
      if (result.exitCode === 0) return;
      if (result.exitCode === ENOENT && missingPool(result) === undefined) {
        throw new DriverError('aborted', `${command.what}: it is being deleted or renamed; call again`);
      }
      throw failCommand(session, command, result);
    },
  );
  for await (const items of readJsonList(pieces, command.what)) yield items.map(readRange);
}
