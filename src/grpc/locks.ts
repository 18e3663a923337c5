import { isDeepStrictEqual } from 'node:util';
import { DriverError } from '../model/errors.ts';
import type { Call } from './service.ts';

/** What a call is about to do, and to what. */
export interface Claim {
  readonly operation: string;
  /** What nobody else may touch meanwhile: a volume's id, a snapshot's name. */
  readonly keys: readonly string[];
  /** The whole request, secrets too: a call with another key is another call. */
  readonly request: object;
}

export interface Locks {
  /**
   * Runs `work` alone on the claim's keys. The same claim made again meanwhile joins the running work and gets its
   * result. The work's signal aborts when all its callers are gone, and the keys are free when it has settled, not
   * when the callers went: a child process may outlive them.
   *
   * `work` runs on behalf of the first caller, whose log and request id it gets. The callers of an operation must
   * all expect the same type.
   * @throws DriverError `aborted` while another operation or another request holds a key.
   */
  readonly run: <Result>(claim: Claim, call: Call, work: (call: Call) => Promise<Result>) => Promise<Result>;
  /** What is held at this moment. */
  readonly describe: () => LockUse;
}

export interface LockUse {
  /** Keys that are held. */
  readonly held: number;
  /** Calls that joined the work of another one. */
  readonly joined: number;
  /** Seconds since the oldest of these keys was taken; 0 when there is none. */
  readonly oldestSeconds: number;
}

interface Flight<Result> {
  readonly claim: Claim;
  readonly requestId: string;
  /** `performance.now()` when it took the keys. */
  readonly since: number;
  readonly abandonment: AbortController;
  readonly settled: Promise<Result>;
  /** How many calls wait for the result. */
  callers: number;
}

function describeConflict(claim: Claim, key: string, holder: Flight<unknown>): DriverError {
  const seconds = Math.round((performance.now() - holder.since) / 1000);
  const state = holder.abandonment.signal.aborted ? 'its callers are gone and it is ending' : 'it is running';
  return new DriverError(
    'aborted',
    `${claim.operation}: "${key}" has been held by ${holder.claim.operation} for ${seconds} s ` +
      `(request ${holder.requestId}; ${state}); call again when it is done`,
  );
}

/** Waits for the result on behalf of one caller, and lets go of it when that caller is gone. */
function follow<Result>(flight: Flight<Result>, call: Call): Promise<Result> {
  flight.callers += 1;
  return new Promise((resolve, reject) => {
    const leave = () => {
      flight.callers -= 1;
      const reason: unknown = call.signal.reason;
      // The last caller stays until the work has ended, so that a drain waits for it.
      if (flight.callers === 0) flight.abandonment.abort(reason);
      else reject(reason instanceof Error ? reason : new DriverError('cancelled', 'the call was cancelled'));
    };
    call.signal.addEventListener('abort', leave, { once: true });
    void flight.settled.then(resolve, reject).finally(() => {
      call.signal.removeEventListener('abort', leave);
    });
  });
}

/** The locks of one driver. They are not shared between processes, and a restart forgets them. */
export function createLocks(): Locks {
  const flights = new Map<string, Flight<unknown>>();

  function start<Result>(claim: Claim, call: Call, work: (call: Call) => Promise<Result>): Flight<Result> {
    const abandonment = new AbortController();
    // Not the call's own signal: the work goes on when its first caller is gone and others wait.
    const running = (async () => work({ ...call, signal: abandonment.signal }))();
    const settled = running.finally(() => {
      for (const key of claim.keys) flights.delete(key);
    });
    const { requestId } = call;
    const flight = { claim, requestId, since: performance.now(), abandonment, settled, callers: 0 };
    for (const key of claim.keys) flights.set(key, flight);
    return flight;
  }

  return {
    async run<Result>(claim: Claim, call: Call, work: (call: Call) => Promise<Result>): Promise<Result> {
      call.signal.throwIfAborted();
      for (const key of claim.keys) {
        const flight = flights.get(key);
        if (flight === undefined) continue;
        if (!isDeepStrictEqual(claim, flight.claim) || flight.abandonment.signal.aborted) {
          throw describeConflict(claim, key, flight);
        }
        call.log.debug({ joined: flight.requestId }, 'joined the same call, which is running');
        // Equal claims name the same operation, and an operation has one type of result.
        return follow(flight as Flight<Result>, call);
      }
      return follow(start(claim, call, work), call);
    },
    describe() {
      const running = [...new Set(flights.values())];
      const ages = running.map(({ since }) => (performance.now() - since) / 1000);
      return {
        held: flights.size,
        joined: running.reduce((sum, { callers }) => sum + Math.max(callers - 1, 0), 0),
        oldestSeconds: Math.max(0, ...ages),
      };
    },
  };
}
