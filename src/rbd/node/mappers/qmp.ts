import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { DriverError } from '../../../model/errors.ts';

/** Milliseconds that a conversation with a daemon may take in all. */
const LIMIT = 15_000;

/** Runs one command of QEMU's machine protocol and resolves to what it returns. */
export type Execute = (command: string, args?: object) => Promise<unknown>;

type Message = Readonly<Partial<Record<string, unknown>>>;

function parseMessage(line: string): Message {
  const value = JSON.parse(line) as unknown;
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function describeError(error: unknown): string {
  const isObject = typeof error === 'object' && error !== null;
  return isObject && 'desc' in error ? String(error.desc) : JSON.stringify(error);
}

async function openSocket(path: string): Promise<Socket> {
  const socket = connect(path);
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  socket.once('connect', () => resolve(undefined)).once('error', reject);
  await promise;
  return socket;
}

/** Whether a process listens on the socket. It may be too busy to answer: this does not wait for it. */
export async function isListening(path: string): Promise<boolean> {
  return await openSocket(path).then(
    socket => {
      socket.destroy();
      return true;
    },
    () => false,
  );
}

/**
 * Talks to a QEMU daemon over its control socket.
 * @throws DriverError `unavailable` when it does not listen or answer, `internal` with its words when it refuses a
 *   command.
 */
export async function converse<T>(
  path: string,
  signal: AbortSignal,
  talk: (execute: Execute) => Promise<T>,
): Promise<T> {
  const socket = await openSocket(path).catch((error: unknown) => {
    throw new DriverError('unavailable', `${path}: nobody listens: ${String(error)}`, { cause: error });
  });
  const end = () => socket.destroy();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT)]);
  limit.addEventListener('abort', end);
  const reader = createInterface({ input: socket });
  const lines = reader[Symbol.asyncIterator]();
  // However the socket ends, its lines end, which is where it is noticed: a destroyed one does not by itself.
  socket.on('error', end).once('close', () => reader.close());

  async function read(key: string): Promise<unknown> {
    for (;;) {
      const next = await lines.next();
      if (next.done === true) throw new DriverError('unavailable', `${path}: the daemon did not answer`);
      const message = parseMessage(next.value);
      if ('error' in message) {
        throw new DriverError('internal', `${path}: ${describeError(message['error'])}`);
      }
      if (key in message) return message[key];
    }
  }

  const execute: Execute = async (command, args = {}) => {
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await read('return');
  };

  try {
    if (limit.aborted) end();
    await read('QMP');
    await execute('qmp_capabilities');
    return await talk(execute);
  } finally {
    limit.removeEventListener('abort', end);
    end();
  }
}
