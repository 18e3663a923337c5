import type { ControllerDefinition } from '../gen/csi/v1/Controller.ts';
import type { GroupControllerDefinition } from '../gen/csi/v1/GroupController.ts';
import type { IdentityDefinition } from '../gen/csi/v1/Identity.ts';
import type { NodeDefinition } from '../gen/csi/v1/Node.ts';
import type { SnapshotMetadataDefinition } from '../gen/csi/v1/SnapshotMetadata.ts';
import type { Context } from '../model/call.ts';

/** One RPC as its handler sees it. */
export interface Call extends Context {
  /** Names the call in the log, and in the message of an error that hides its cause there. */
  readonly requestId: string;
  /** The bare name: `CreateVolume`. */
  readonly method: string;
}

/** Answers one request. Errors are DriverErrors; any other becomes INTERNAL, and its text goes to the log only. */
export type UnaryHandler<Request, Response> = (request: Request, call: Call) => Promise<Response>;

/** Answers one request with any number of messages; nothing is asked of it while the client lags behind. */
export type StreamHandler<Request, Response> = (request: Request, call: Call) => AsyncIterable<Response>;

/** The part of a generated method definition that tells its messages, as the server receives and sends them. */
interface Method<Request, Response> {
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => Buffer;
}

/** The methods that the proto declares, without the index signature of grpc-js. */
type MethodNames<Definition> = keyof {
  [Name in keyof Definition as string extends Name ? never : number extends Name ? never : Name]: unknown;
};

/** The handlers of a service whose methods answer with one message each, all of them. */
export type UnaryHandlers<Definition> = {
  readonly [Name in MethodNames<Definition> & keyof Definition]: Definition[Name] extends Method<
    infer Request,
    infer Response
  >
    ? UnaryHandler<Request, Response>
    : never;
};

/** The handlers of a service whose methods answer with a stream each, all of them. */
export type StreamHandlers<Definition> = {
  readonly [Name in MethodNames<Definition> & keyof Definition]: Definition[Name] extends Method<
    infer Request,
    infer Response
  >
    ? StreamHandler<Request, Response>
    : never;
};

export type IdentityService = UnaryHandlers<IdentityDefinition>;
export type ControllerService = UnaryHandlers<ControllerDefinition>;
export type GroupControllerService = UnaryHandlers<GroupControllerDefinition>;
export type SnapshotMetadataService = StreamHandlers<SnapshotMetadataDefinition>;
export type NodeService = UnaryHandlers<NodeDefinition>;

/** What one endpoint serves. A service that is absent answers UNIMPLEMENTED. */
export interface Services {
  readonly Identity: IdentityService;
  readonly Controller?: ControllerService;
  readonly GroupController?: GroupControllerService;
  readonly SnapshotMetadata?: SnapshotMetadataService;
  readonly Node?: NodeService;
}
