import { DriverError } from '../model/errors.ts';
import { EBUSY, EMLINK, ENOENT, ENOTEMPTY, parseOutput } from './failure.ts';
import { arrayOf, stringOf } from './rbd-json.ts';
import {
  failCommand,
  imageSpec,
  missingPool,
  operand,
  poolSpec,
  requireCeph,
  runCeph,
  type CephCommand,
  type CephSession,
  type ImageIdRef,
  type ImageRef,
  type PoolRef,
} from './rbd-session.ts';

/** An image in the trash. */
export interface TrashEntry {
  readonly imageId: string;
  /** The name that it had. */
  readonly name: string;
}

function secondsUntil(time: Date | undefined): number {
  return time === undefined ? 0 : Math.max(0, Math.ceil((time.getTime() - Date.now()) / 1000));
}

/**
 * Moves an image to the trash, whatever its size in the time of a rename; watchers and snapshots do not hinder it.
 * Also finishes a move that was killed half-way, whose image can be named, but not opened any more.
 * @param expiresAt until when only `--force` removes it.
 * @returns false when there is no image of that name.
 * @throws DriverError `failed-precondition` when it is in a group.
 */
export async function moveToTrash(session: CephSession, ref: ImageRef, expiresAt?: Date): Promise<boolean> {
  const spec = imageSpec(ref);
  const expiry = expiresAt === undefined ? [] : ['--expires-at', expiresAt.toISOString().slice(0, 19)];
  const command: CephCommand = {
    program: 'rbd',
    args: ['trash', 'mv', ...expiry, spec],
    what: `moving image ${spec} to the trash`,
    operation: { name: 'move_to_trash', args: { ...operand.image(ref), delay: secondsUntil(expiresAt) } },
    writesTo: [ref.pool],
    finishes: true,
  };
  const result = await runCeph(session, command);
  if (result.exitCode === EMLINK) {
    throw new DriverError('failed-precondition', `${command.what}: it is in an RBD group`);
  }
  if (result.exitCode === ENOENT && missingPool(result) === undefined) return false;
  if (result.exitCode !== 0) throw failCommand(session, command, result);
  return true;
}

/** What is in a pool's trash, whoever put it there. */
export async function listTrash(session: CephSession, ref: PoolRef): Promise<readonly TrashEntry[]> {
  const what = `rbd trash ls ${poolSpec(ref)}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['trash', 'ls', poolSpec(ref), '--all', '--format', 'json'],
    what,
    operation: { name: 'list_trash', args: operand.pool(ref) },
  });
  return arrayOf(parseOutput(result, what), what).map(entry => ({
    imageId: stringOf(entry, 'id'),
    name: stringOf(entry, 'name'),
  }));
}

/**
 * What became of an attempt to remove an image from the trash. `busy`: somebody has it open, or a clone lives from
 * one of its snapshots; `unfinished`: its move to the trash was killed; `retained`: its time has not come.
 */
export type TrashRemoval = 'gone' | 'busy' | 'unfinished' | 'retained';

/** Deletes an image that is in the trash, with its data. */
export async function removeFromTrash(session: CephSession, ref: ImageIdRef): Promise<TrashRemoval> {
  const spec = `${poolSpec(ref)}/${ref.imageId}`;
  const command: CephCommand = {
    program: 'rbd',
    args: ['trash', 'rm', '--no-progress', spec],
    what: `removing ${spec} from the trash`,
    operation: { name: 'remove_from_trash', args: operand.imageId(ref) },
    timeout: 3_600_000,
  };
  const result = await runCeph(session, command);
  if (/not fully moved|not in the expected state|invalid state/i.test(result.stderr)) return 'unfinished';
  if (/deferment time/i.test(result.stderr)) return 'retained';
  switch (result.exitCode) {
    case 0:
    case ENOENT:
      return 'gone';
    case EBUSY:
    case ENOTEMPTY:
      return 'busy';
    default:
      throw failCommand(session, command, result);
  }
}
