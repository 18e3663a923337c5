import type { CommandResult } from '../exec/command.ts';
import { DriverError, type ErrorKind } from '../model/errors.ts';
import type { Connection } from './connection.ts';

/** Exit codes of Ceph's programs are errno values. */
export const ENOENT = 2;
export const EAGAIN = 11;
export const EBUSY = 16;
export const EEXIST = 17;
export const EINVAL = 22;
export const EMLINK = 31;
export const ENOTEMPTY = 39;

const KINDS: Readonly<Partial<Record<number, ErrorKind>>> = {
  1: 'permission-denied',
  [ENOENT]: 'not-found',
  [EAGAIN]: 'aborted',
  13: 'permission-denied',
  [EBUSY]: 'failed-precondition',
  [EEXIST]: 'already-exists',
  [EINVAL]: 'invalid-argument',
  28: 'resource-exhausted',
  30: 'failed-precondition',
  [ENOTEMPTY]: 'failed-precondition',
  95: 'failed-precondition',
  107: 'unavailable',
  108: 'unavailable',
  110: 'unavailable',
  111: 'unavailable',
  113: 'unavailable',
  122: 'resource-exhausted',
};

/** The lines of stderr that say something: Ceph prints its debug noise there too, even on success. */
function reasonFrom(stderr: string): string {
  const lines = stderr
    .split(/[\n\r]+/)
    .map(line => line.replace(/^\d{4}-\d\d-\d\dT\S+ \S+ +-?\d+ /, '').trim())
    .filter(line => line !== '' && !/\d+% complete/.test(line));
  return lines.slice(-3).join('; ');
}

/** What an administrator has to look at first, for the errors that every command can meet. */
function adviceFor(exitCode: number, stderr: string, connection: Connection): string | undefined {
  const monitors = connection.monitors.join(', ');
  if (
    /couldn't connect to the cluster|error connecting to the cluster|RADOS|failed to fetch mon config/.test(
      stderr,
    )
  ) {
    switch (exitCode) {
      case 13:
      case 1:
        return `the monitors at ${monitors} refused the key of client.${connection.userId}`;
      case 110:
        return `the monitors at ${monitors} cannot be reached`;
      case 22:
        return `the key of client.${connection.userId} or the monitors' addresses ${monitors} are malformed`;
      case ENOENT:
        return `the monitors at ${monitors} do not know client.${connection.userId}`;
      default:
    }
  }
  if (exitCode === 13 || exitCode === 1) {
    return `client.${connection.userId} lacks a capability for this`;
  }
  return undefined;
}

/** How a person reads what was attempted: `rbd create on pool/image`. */
export interface Attempt {
  readonly what: string;
  readonly connection: Connection;
}

/**
 * The error that a Ceph program's exit code stands for.
 * @param attempt what was tried, for the message.
 */
export function failureOf(result: CommandResult, attempt: Attempt): DriverError {
  const { exitCode, stderr } = result;
  const advice = adviceFor(exitCode, stderr, attempt.connection);
  const authentication =
    advice?.includes('refused the key') === true || advice?.includes('do not know') === true;
  const kind = authentication ? 'unauthenticated' : (KINDS[exitCode] ?? 'internal');
  const reason = [advice, reasonFrom(stderr)].filter(text => text !== undefined && text !== '').join('; ');
  return new DriverError(kind, `${attempt.what}: ${reason || `exit code ${exitCode}`}`);
}

/**
 * Parses what a program printed as JSON.
 * @throws DriverError `internal` when it is none.
 */
export function parseOutput(result: CommandResult, what: string): unknown {
  try {
    return JSON.parse(result.stdout) as unknown;
  } catch (error) {
    throw new DriverError('internal', `${what}: the answer is not JSON`, { cause: error });
  }
}
