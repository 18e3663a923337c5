import { Server as GrpcServer, ServerCredentials, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { chmod } from 'node:fs/promises';
import { DriverError } from '../model/errors.ts';
import { createCalls } from './calls.ts';
import type { Calls, CallsOptions } from './calls.ts';
import { csi } from './contract.ts';
import { parseEndpoint, removeStaleSocket } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import type { Services, StreamHandler, UnaryHandler } from './service.ts';

/** Milliseconds for the calls in flight when the server stops; below the 30 s that Kubernetes gives a Pod. */
const DRAIN_BOUND = 25_000;
/** Milliseconds for connections to close when all calls have ended. */
const CLOSE_BOUND = 1_000;
/** The sidecars and kubelet run as root or share the socket's group. */
const SOCKET_MODE = 0o660;

export interface ServerOptions extends CallsOptions {
  /** `unix:///absolute/path` or `tcp://host:port`. */
  readonly endpoint: string;
}

export interface Server {
  /**
   * Starts to serve. A socket file on which nobody answers is replaced.
   * @returns the endpoint as a client dials it, with the port that was chosen where port 0 was asked for.
   * @throws DriverError `failed-precondition` when the endpoint cannot be had.
   */
  listen(): Promise<string>;
  /**
   * Stops to serve: new calls get UNAVAILABLE, those in flight go on for `bound` ms, then their signals abort.
   * Resolves when all have ended.
   */
  drain(bound?: number): Promise<void>;
}

// It writes plain text to stderr, between the driver's JSON lines, of errors that it also returns.
setLogVerbosity(logVerbosity.NONE);

function adaptUnary(
  calls: Calls,
  service: Readonly<Record<string, UnaryHandler<never, object>>>,
): UntypedServiceImplementation {
  const entries = Object.entries(service);
  return Object.fromEntries(entries.map(([method, handler]) => [method, calls.serveUnary(method, handler)]));
}

function adaptStreams(
  calls: Calls,
  service: Readonly<Record<string, StreamHandler<never, object>>>,
): UntypedServiceImplementation {
  const entries = Object.entries(service);
  return Object.fromEntries(entries.map(([method, handler]) => [method, calls.serveStream(method, handler)]));
}

function addServices(server: GrpcServer, calls: Calls, services: Services): void {
  const { Identity, Controller, GroupController, SnapshotMetadata, Node } = services;
  server.addService(csi.Identity, adaptUnary(calls, Identity));
  if (Controller !== undefined) server.addService(csi.Controller, adaptUnary(calls, Controller));
  if (GroupController !== undefined)
    server.addService(csi.GroupController, adaptUnary(calls, GroupController));
  if (SnapshotMetadata !== undefined) {
    server.addService(csi.SnapshotMetadata, adaptStreams(calls, SnapshotMetadata));
  }
  if (Node !== undefined) server.addService(csi.Node, adaptUnary(calls, Node));
}

function bind(server: GrpcServer, endpoint: Endpoint): Promise<number> {
  const target = endpoint.type === 'unix' ? `unix:${endpoint.path}` : endpoint.address;
  return new Promise((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else
        reject(new DriverError('failed-precondition', `endpoint: cannot serve ${target}`, { cause: error }));
    });
  });
}

/** Closes the listener at once, so that its name is free, and the connections when their calls have ended. */
function closeConnections(server: GrpcServer): Promise<void> {
  return new Promise(resolve => server.tryShutdown(() => resolve()));
}

/** A gRPC server for one driver. There may be several in a process, each with its own endpoint. */
export function createServer(services: Services, options: ServerOptions): Server {
  const server = new GrpcServer();
  const calls = createCalls(options);
  const endpoint = parseEndpoint(options.endpoint);
  addServices(server, calls, services);
  return {
    async listen() {
      if (endpoint.type === 'unix') await removeStaleSocket(endpoint.path);
      const port = await bind(server, endpoint);
      if (endpoint.type === 'tcp') return `tcp://${endpoint.address.replace(/\d+$/, String(port))}`;
      await chmod(endpoint.path, SOCKET_MODE);
      return `unix://${endpoint.path}`;
    },
    async drain(bound = DRAIN_BOUND) {
      const closed = closeConnections(server);
      await calls.drain(bound);
      const forced = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => {
        server.forceShutdown();
        // grpc-js never tells that a connection is closed on which a client left a stream unread.
        forced.resolve(undefined);
      }, CLOSE_BOUND);
      await Promise.race([closed, forced.promise]);
      clearTimeout(timer);
    },
  };
}
