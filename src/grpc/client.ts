import { Client, Metadata, credentials } from '@grpc/grpc-js';
import { parseEndpoint } from './endpoint.ts';

/** The part of a generated method definition that a client needs. */
interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

export interface ClientCallOptions {
  /** Milliseconds until the call fails with DEADLINE_EXCEEDED. Default: no deadline. */
  readonly timeout?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** A client of a CSI driver: `client.call(csi.Controller.CreateVolume, request)`. */
export interface CsiClient {
  /** Rejects with the ServiceError of grpc-js, whose `code` and `details` tell the status. */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: ClientCallOptions,
  ): Promise<Response>;
  /** The call begins when the first message is asked for; leaving the iteration cancels it. */
  stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: ClientCallOptions,
  ): AsyncIterable<Response>;
  close(): void;
}

function deadlineOf(options: ClientCallOptions): { deadline?: number } {
  return options.timeout === undefined ? {} : { deadline: Date.now() + options.timeout };
}

/**
 * Dials a driver's endpoint, `unix:///path` or `tcp://host:port`. The connection is made with the first call.
 * @throws DriverError `invalid-argument`
 */
export function createClient(endpoint: string): CsiClient {
  const target = parseEndpoint(endpoint);
  const address = target.type === 'unix' ? `unix:${target.path}` : target.address;
  const client = new Client(address, credentials.createInsecure());
  return {
    call(method, request, options = {}) {
      const { path, requestSerialize, responseDeserialize } = method;
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof responseDeserialize>>();
      const running = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        deadlineOf(options),
        (error, response) => {
          if (error !== null) reject(error);
          else if (response !== undefined) resolve(response);
        },
      );
      const cancel = () => running.cancel();
      options.signal?.addEventListener('abort', cancel, { once: true });
      return promise.finally(() => options.signal?.removeEventListener('abort', cancel));
    },
    async *stream(method, request, options = {}) {
      const { path, requestSerialize, responseDeserialize } = method;
      const running = client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        deadlineOf(options),
      );
      const cancel = () => running.cancel();
      options.signal?.addEventListener('abort', cancel, { once: true });
      try {
        for await (const response of running) yield response as ReturnType<typeof responseDeserialize>;
      } finally {
        options.signal?.removeEventListener('abort', cancel);
        running.cancel();
      }
    },
    close: () => client.close(),
  };
}
