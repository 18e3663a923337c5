import type { Call } from '../../src/grpc/service.ts';
import { DriverError } from '../../src/model/errors.ts';
import { createLogRecord } from './log-record.ts';
import type { LogRecord } from './log-record.ts';

let count = 0;

/** A call without a connection, and the means to end it. */
export function createTestCall(method: string): {
  readonly call: Call;
  readonly log: LogRecord;
  readonly cancel: () => void;
} {
  const controller = new AbortController();
  const log = createLogRecord();
  count += 1;
  return {
    call: { signal: controller.signal, log, requestId: `request-${count}`, method },
    log,
    cancel: () => controller.abort(new DriverError('cancelled', 'the caller is gone')),
  };
}
