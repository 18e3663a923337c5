import type { ServerUnaryCall } from '@grpc/grpc-js';
import { randomBytes } from 'node:crypto';
import type { Log } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Call } from './service.ts';

/**
 * Milliseconds. A client whose deadline has passed resets the stream, and its clock started before ours: a reset
 * this shortly before the deadline is the deadline.
 */
const DEADLINE_SLACK = 1_000;

/** What grpc-js calls of any shape have in common, as far as it is needed here. */
export type Surface = Pick<
  ServerUnaryCall<object, unknown>,
  'cancelled' | 'getDeadline' | 'once' | 'removeListener'
>;

/** What the server keeps of a call besides what its handler sees. */
export interface OpenCall {
  readonly call: Call;
  /** How many processes the handler has started. */
  countProcesses(): number;
  /** How many operations it has sent over connections that stay open. */
  countOperations(): number;
  /** Lets go of the connection; the signal does not abort any more. */
  close(): void;
}

/** A log that adds the same fields to each line. */
function addFields(log: Log, fields: object): Log {
  return {
    debug: (more, message) => log.debug({ ...fields, ...more }, message),
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  };
}

/** Why grpc-js cancelled a call: it says the same for a deadline and for a client that is gone. */
function explainCancellation(surface: Surface): DriverError {
  const deadline = surface.getDeadline();
  return Date.now() + DEADLINE_SLACK >= Number(deadline)
    ? new DriverError('deadline-exceeded', "the call's deadline has passed")
    : new DriverError('cancelled', 'the caller cancelled the call or is gone');
}

/**
 * Opens the driver's view of a call of grpc-js.
 * @param shutdown aborts the call's signal, with its own reason, when the driver cannot wait any longer.
 */
export function openCall(surface: Surface, method: string, log: Log, shutdown: AbortSignal): OpenCall {
  const controller = new AbortController();
  const requestId = randomBytes(6).toString('hex');
  let processes = 0;
  let operations = 0;
  const cancel = () => controller.abort(explainCancellation(surface));
  const stop = () => controller.abort(shutdown.reason);
  surface.once('cancelled', cancel);
  shutdown.addEventListener('abort', stop, { once: true });
  if (surface.cancelled) cancel();
  if (shutdown.aborted) stop();
  return {
    call: {
      signal: controller.signal,
      log: addFields(log, { requestId, method }),
      onProcess: () => (processes += 1),
      onOperation: () => (operations += 1),
      requestId,
      method,
    },
    countProcesses: () => processes,
    countOperations: () => operations,
    close: () => {
      surface.removeListener('cancelled', cancel);
      shutdown.removeEventListener('abort', stop);
    },
  };
}
