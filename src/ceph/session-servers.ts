import { createHash } from 'node:crypto';
import type { CommandResult } from '../exec/command.ts';
import type { StartLineServer } from '../exec/line-server.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { Connection } from './connection.ts';
import { isChange, type OperationRequest } from './session-operation.ts';
import { ServerEnd, startSessionServer, type SessionServer } from './session-server.ts';

/** Milliseconds after which a connection that nobody uses is closed. */
const IDLE = 300_000;
/** Milliseconds after which it is tried again whether servers can work here. */
const UNUSABLE_FOR = 600_000;
/** Connections at a time: each is a process of 40 to 80 MiB. */
const MOST = 8;

/** Connections to clusters that stay open, one for each cluster and user with its key. */
export interface SessionServers {
  /**
   * Resolves to what came of the operation, whatever the code (an errno); to undefined where a process has to do it:
   * no server can work here, or it ended and the operation can be repeated.
   * @throws DriverError as `Exec` does; `unavailable` when the server ended, and nobody knows what became of a change.
   */
  run(
    connection: Connection,
    request: OperationRequest,
    context: Context,
  ): Promise<CommandResult | undefined>;
}

/** The same for the same cluster and user with the same key; the key cannot be read from it. */
function identify({ monitors, userId, key }: Connection): string {
  return createHash('sha256')
    .update(JSON.stringify([monitors, userId, key.reveal()]))
    .digest('hex');
}

export interface SessionServersOptions {
  /** Nothing is left to processes: what servers cannot do fails as `unavailable`. */
  readonly isRequired?: boolean;
  /** Called when an operation has been answered, with the code (an errno); seconds. For metrics. */
  readonly onEnd?: (operation: string, code: number, seconds: number) => void;
}

/** Makes the connections when they are needed, and anew when they break. */
export function createSessionServers(
  start: StartLineServer,
  options: SessionServersOptions = {},
): SessionServers {
  const servers = new Map<string, SessionServer>();
  let unusableUntil = 0;

  function startServer(id: string, connection: Connection): SessionServer {
    const server = startSessionServer(connection, start, () => {
      clearTimeout(idle);
      servers.delete(id);
    });
    const idle = setTimeout(() => {
      if (server.isBusy()) idle.refresh();
      else server.stop();
    }, IDLE).unref();
    const entry: SessionServer = {
      ...server,
      run(request, signal) {
        idle.refresh();
        return server.run(request, signal);
      },
    };
    servers.set(id, entry);
    return entry;
  }

  function findServer(connection: Connection): SessionServer | undefined {
    if (performance.now() < unusableUntil) return undefined;
    const id = identify(connection);
    return servers.get(id) ?? (servers.size < MOST ? startServer(id, connection) : undefined);
  }

  /** @throws DriverError `unavailable` where nothing may be left to processes. */
  function leaveToProcess({ what }: OperationRequest, why: string, cause?: Error): void {
    if (options.isRequired === true) throw new DriverError('unavailable', `${what}: ${why}`, { cause });
  }

  return {
    async run(connection, request, context) {
      const server = findServer(connection);
      if (server === undefined) {
        leaveToProcess(request, 'no lasting connection to the cluster is possible');
        return undefined;
      }
      const started = performance.now();
      try {
        context.onOperation?.(request.name);
        const result = await server.run(request, context.signal);
        const seconds = (performance.now() - started) / 1000;
        options.onEnd?.(request.name, result.exitCode, seconds);
        const ms = Math.round(seconds * 1000);
        context.log.debug({ operation: request.name, exitCode: result.exitCode, ms }, 'operation ended');
        return result;
      } catch (error) {
        if (!(error instanceof ServerEnd)) throw error;
        context.log.warn({ err: error }, 'the connection to the cluster has ended');
        if (error.isUnusable) unusableUntil = performance.now() + UNUSABLE_FOR;
        else if (isChange(request)) {
          const why =
            'the connection to the cluster was lost, and it is not known what came of it; call again';
          throw new DriverError('unavailable', `${request.what}: ${why}`, { cause: error });
        }
        leaveToProcess(request, error.message, error);
        return undefined;
      }
    },
  };
}
