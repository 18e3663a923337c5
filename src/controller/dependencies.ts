import type { Locks } from '../grpc/locks.ts';
import type { Call } from '../grpc/service.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import { DriverError } from '../model/errors.ts';

export interface ControllerDependencies {
  readonly backend: ControllerBackend;
  /** Of this driver alone: two drivers may use the same keys. */
  readonly locks: Locks;
}

/** The answer to an RPC whose capability the driver does not advertise. */
export function unimplemented(call: Call): DriverError {
  return new DriverError('unimplemented', `${call.method} is not among this driver's capabilities`);
}
