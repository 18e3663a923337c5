import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createClient } from '../../src/grpc/client.ts';
import type { CsiClient } from '../../src/grpc/client.ts';
import { csi } from '../../src/grpc/contract.ts';
import { createServer } from '../../src/grpc/server.ts';
import type { Server } from '../../src/grpc/server.ts';
import type { ControllerService, IdentityService, Services } from '../../src/grpc/service.ts';
import { DriverError } from '../../src/model/errors.ts';
import { createLogRecord } from './log-record.ts';
import type { LogRecord } from './log-record.ts';

export interface TestServer {
  readonly server: Server;
  readonly endpoint: string;
  readonly client: CsiClient;
  readonly log: LogRecord;
}

/** A new directory that goes with the test. */
export async function createDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'csi-grpc-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A client that is closed with the test. */
export function dial(endpoint: string): CsiClient {
  const client = createClient(endpoint);
  onTestFinished(() => client.close());
  return client;
}

function refuse(): Promise<never> {
  return Promise.reject(new DriverError('unimplemented', 'not part of this test'));
}

export const identity: IdentityService = {
  GetPluginInfo: () => Promise.resolve({ name: 'test.csi', vendor_version: '1' }),
  GetPluginCapabilities: () => Promise.resolve({}),
  Probe: () => Promise.resolve({ ready: { value: true } }),
};

/** A controller of which the given methods are implemented. */
export function createController(methods: Partial<ControllerService>): ControllerService {
  const all = Object.keys(csi.Controller).map(method => [method, refuse]);
  return { ...(Object.fromEntries(all) as ControllerService), ...methods };
}

/** Serves on a socket of its own until the test has finished. */
export async function startServer(
  services: Partial<Services>,
  options: { readonly endpoint?: string } = {},
): Promise<TestServer> {
  const log = createLogRecord();
  const endpoint = options.endpoint ?? `unix://${join(await createDirectory(), 'csi.sock')}`;
  const server = createServer({ Identity: identity, ...services }, { endpoint, log });
  const bound = await server.listen();
  onTestFinished(() => server.drain(0));
  return { server, endpoint: bound, client: dial(bound), log };
}

/** A promise that a test settles when it wants to. */
export function createGate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { opened: promise, open: () => resolve(undefined) };
}

/** Resolves with the reason when the signal aborts. */
export function abortOf(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise(resolve =>
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true }),
  );
}
