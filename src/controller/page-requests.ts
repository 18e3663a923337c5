import { DriverError } from '../model/errors.ts';
import type { PageRequest } from '../model/volume.ts';

interface WirePageRequest {
  readonly max_entries: number;
  readonly starting_token: string;
}

/**
 * The page that a listing asks for. The token is the backend's own and is judged there: CSI answers ABORTED, not
 * INVALID_ARGUMENT, to one that is not.
 * @throws DriverError `invalid-argument` for a negative `max_entries`.
 */
export function parsePageRequest(wire: WirePageRequest): PageRequest {
  if (wire.max_entries < 0) {
    throw new DriverError(
      'invalid-argument',
      `max_entries: ${wire.max_entries} is negative; give a number of entries, or 0 for no bound`,
    );
  }
  return {
    maximumEntries: wire.max_entries,
    ...(wire.starting_token === '' ? {} : { startingToken: wire.starting_token }),
  };
}
