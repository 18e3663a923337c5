import { status } from '@grpc/grpc-js';
import { inspect } from 'node:util';
import { DriverError } from '../model/errors.ts';
import type { ErrorKind } from '../model/errors.ts';

/** The one place where the driver's kinds of errors become gRPC codes. */
const codes: Readonly<Record<ErrorKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'failed-precondition': status.FAILED_PRECONDITION,
  aborted: status.ABORTED,
  'out-of-range': status.OUT_OF_RANGE,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'permission-denied': status.PERMISSION_DENIED,
  unauthenticated: status.UNAUTHENTICATED,
  unavailable: status.UNAVAILABLE,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
};

/** Causes beyond this are left out of the log; it also ends a chain that leads back to itself. */
const MAXIMUM_CAUSES = 8;

/** How a call ended, as its caller sees it. */
export interface Status {
  readonly code: status;
  readonly details: string;
}

/** The name of a gRPC code as the specification writes it: `NOT_FOUND`. */
export function nameCode(code: status): string {
  return status[code];
}

/** Node's functions reject with an AbortError of their own, and keep the signal's reason as its cause. */
function unwrapAbort(error: unknown): unknown {
  const isAbort = error instanceof Error && error.name === 'AbortError';
  return isAbort && error.cause instanceof DriverError ? error.cause : error;
}

/**
 * The status that an error becomes. The text of an error that is not a DriverError was not written for the caller,
 * and may name what is none of its business: the caller gets the request's id instead, and the log the text.
 */
export function toStatus(error: unknown, requestId: string): Status {
  const known = unwrapAbort(error);
  if (known instanceof DriverError) return { code: codes[known.kind], details: known.message };
  return {
    code: status.INTERNAL,
    details: `internal error; see the driver's log, request ${requestId}`,
  };
}

/** The error and its causes, outermost first, for the log; with the stack where the error was not foreseen. */
export function describeError(error: unknown): string[] {
  const lines: string[] = [];
  let current = error;
  while (current !== undefined && lines.length < MAXIMUM_CAUSES) {
    if (current instanceof DriverError) lines.push(`${current.kind}: ${current.message}`);
    else if (current instanceof Error) lines.push(current.stack ?? `${current.name}: ${current.message}`);
    else lines.push(`thrown: ${inspect(current)}`);
    current = current instanceof Error ? current.cause : undefined;
  }
  return lines;
}
