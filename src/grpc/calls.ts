import { status } from '@grpc/grpc-js';
import type { ServerUnaryCall, ServerWritableStream, UntypedHandleCall, sendUnaryData } from '@grpc/grpc-js';
import { once } from 'node:events';
import type { Log } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { logEnd } from './call-log.ts';
import { openCall } from './call.ts';
import type { Surface } from './call.ts';
import { redactRequest } from './redaction.ts';
import type { Call, StreamHandler, UnaryHandler } from './service.ts';
import { nameCode, toStatus } from './status.ts';
import type { Status } from './status.ts';

export interface CallsOptions {
  readonly log: Log;
  /** Called when a call has ended. For metrics. */
  readonly onEnd?: (method: string, code: string, seconds: number) => void;
}

/** The calls of one server: what is in flight, and how it ends. */
export interface Calls {
  serveUnary<Request extends object, Response>(
    method: string,
    handler: UnaryHandler<Request, Response>,
  ): UntypedHandleCall;
  serveStream<Request extends object, Response>(
    method: string,
    handler: StreamHandler<Request, Response>,
  ): UntypedHandleCall;
  /** Refuses new calls with UNAVAILABLE, lets the running ones go on for `bound` ms, then aborts them and waits. */
  drain(bound: number): Promise<void>;
}

type Outcome<Result> = { readonly result: Result } | { readonly status: Status };

/** Resolves when all are settled; false when `ms` have passed before. */
async function settleWithin(work: Iterable<Promise<unknown>>, ms: number): Promise<boolean> {
  const { promise: expired, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, ms, false);
  const settled = Promise.allSettled(work).then(() => true);
  const inTime = await Promise.race([settled, expired]);
  clearTimeout(timer);
  return inTime;
}

export function createCalls(options: CallsOptions): Calls {
  const inFlight = new Set<Promise<unknown>>();
  const shutdown = new AbortController();
  let draining = false;

  /** Runs a handler from the request to the line in the log. Never rejects. */
  async function runCall<Result>(
    surface: Surface & { readonly request: object },
    method: string,
    handle: (call: Call) => Promise<Result>,
  ): Promise<Outcome<Result>> {
    const started = performance.now();
    const { request } = surface;
    const open = openCall(surface, method, options.log, shutdown.signal);
    const { call } = open;
    const finish = (end: Status, error?: unknown) => {
      open.close();
      const seconds = (performance.now() - started) / 1000;
      logEnd({ open, request, status: end, error, seconds });
      options.onEnd?.(method, nameCode(end.code), seconds);
    };
    try {
      call.log.debug({ request: redactRequest(method, request) }, 'call started');
      if (draining) throw new DriverError('unavailable', 'the driver is shutting down');
      const result = await handle(call);
      // A caller that is gone has seen this code, whatever the handler made of it.
      const gone = surface.cancelled ? toStatus(call.signal.reason, call.requestId) : undefined;
      finish(gone ?? { code: status.OK, details: '' });
      return { result };
    } catch (error) {
      const end = toStatus(error, call.requestId);
      finish(end, error);
      return { status: end };
    }
  }

  /** Keeps the call among those that a drain waits for. */
  function track(running: Promise<unknown>): void {
    inFlight.add(running);
    void running.finally(() => inFlight.delete(running));
  }

  return {
    serveUnary<Request extends object, Response>(method: string, handler: UnaryHandler<Request, Response>) {
      return (surface: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
        const running = runCall(surface, method, call => handler(surface.request, call));
        const answer = (outcome: Outcome<Response>) => {
          if ('result' in outcome) callback(null, outcome.result);
          else callback(outcome.status);
        };
        track(running.then(answer));
      };
    },
    serveStream<Request extends object, Response>(method: string, handler: StreamHandler<Request, Response>) {
      return (surface: ServerWritableStream<Request, Response>) => {
        const running = runCall(surface, method, async call => {
          for await (const message of handler(surface.request, call)) {
            call.signal.throwIfAborted();
            if (!surface.write(message)) await once(surface, 'drain', { signal: call.signal });
          }
        });
        const answer = (outcome: Outcome<void>) => {
          if ('result' in outcome) surface.end();
          // How grpc-js is told to end a stream with a status.
          else surface.emit('error', outcome.status);
        };
        track(running.then(answer));
      };
    },
    async drain(bound) {
      draining = true;
      if (await settleWithin(inFlight, bound)) return;
      shutdown.abort(new DriverError('unavailable', 'the driver is shutting down'));
      await Promise.allSettled(inFlight);
    },
  };
}
