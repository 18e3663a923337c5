import type { MethodDefinition } from '@grpc/proto-loader';
import type { Call, UnaryHandler } from '../../src/grpc/service.ts';
import { createTestContext } from '../exec/fake-exec.ts';

/** A call that never aborts and logs nothing. */
export function createTestCall(method: string, overrides: Partial<Call> = {}): Call {
  return { ...createTestContext(), requestId: 'test', method, ...overrides };
}

/**
 * Calls a handler as the server does: the request and the response go through the encoding of the wire, so that
 * absent fields have their defaults and what the proto does not know is lost.
 */
export async function invoke<Request, Response, Received, Seen>(
  method: MethodDefinition<Request, Response, Received, Seen>,
  handler: UnaryHandler<Received, Response>,
  request: Request,
  call: Call = createTestCall(method.path.replace(/^.*\//, '')),
): Promise<Seen> {
  const received = method.requestDeserialize(method.requestSerialize(request));
  const response = await handler(received, call);
  return method.responseDeserialize(method.responseSerialize(response));
}
