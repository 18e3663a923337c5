import { createHash } from 'node:crypto';
import type { StartLineServer } from '../exec/line-server.ts';
import { ServerEnd, startCommandServer, type CommandServer } from './command-server.ts';
import type { CommandRunner } from './ceph-command.ts';
import type { Connection } from './connection.ts';

/** Milliseconds after which a connection that nobody uses is closed. */
const IDLE = 300_000;
/** Milliseconds after which it is tried again whether servers can work here. */
const UNUSABLE_FOR = 600_000;

/** The same for the same cluster and user with the same key; the key cannot be read from it. */
function identify({ monitors, userId, key }: Connection): string {
  return createHash('sha256')
    .update(JSON.stringify([monitors, userId, key.reveal()]))
    .digest('hex');
}

interface Entry {
  readonly server: CommandServer;
  readonly idle: NodeJS.Timeout;
}

/**
 * Runs commands over connections that stay open, one for each cluster and user. Where that is not possible, or a
 * connection breaks, the fallback runs them: all commands of the driver can be repeated.
 */
export function createServerRunner(start: StartLineServer, fallback: CommandRunner): CommandRunner {
  const entries = new Map<string, Entry>();
  let unusableUntil = 0;

  function openServer(connection: Connection): CommandServer {
    const id = identify(connection);
    const present = entries.get(id);
    if (present !== undefined) {
      present.idle.refresh();
      return present.server;
    }
    const forget = () => {
      clearTimeout(entries.get(id)?.idle);
      entries.delete(id);
    };
    const server = startCommandServer(connection, start, forget);
    entries.set(id, { server, idle: setTimeout(() => server.stop(), IDLE).unref() });
    return server;
  }

  return async (connection, command, context) => {
    if (performance.now() < unusableUntil) return await fallback(connection, command, context);
    const started = performance.now();
    try {
      const result = await openServer(connection).run(command, context);
      const ms = Math.round(performance.now() - started);
      context.log.debug({ command: command.prefix, exitCode: result.exitCode, ms }, 'command answered');
      return result;
    } catch (error) {
      if (!(error instanceof ServerEnd)) throw error;
      if (error.isUnusable) unusableUntil = performance.now() + UNUSABLE_FOR;
      context.log.warn({ err: error }, 'no lasting connection to the cluster: each command is a process');
      return await fallback(connection, command, context);
    }
  };
}
