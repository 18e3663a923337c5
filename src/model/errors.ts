/**
 * What went wrong, in the driver's own vocabulary. The gRPC layer alone turns a kind into a status code; the
 * kinds carry the meanings that the CSI specification gives to those codes.
 */
export type ErrorKind =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'failed-precondition'
  | 'aborted'
  | 'out-of-range'
  | 'resource-exhausted'
  | 'permission-denied'
  | 'unauthenticated'
  | 'unavailable'
  | 'deadline-exceeded'
  | 'cancelled'
  | 'unimplemented'
  | 'internal';

/**
 * An error whose message is meant for the person who made the call: it names the field or object, its value, and
 * what would be valid or what to do. It never holds a secret.
 */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

/** Whether an error is a DriverError of one of the given kinds. */
export function isErrorOfKind(error: unknown, ...kinds: ErrorKind[]): error is DriverError {
  return error instanceof DriverError && kinds.includes(error.kind);
}
