import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { DriverError } from '../model/errors.ts';

export type Endpoint =
  | { readonly type: 'unix'; readonly path: string }
  /** Port 0: any free one. */
  | { readonly type: 'tcp'; readonly address: string };

/** What fits into `sockaddr_un` of Linux, without its final zero. */
const MAXIMUM_SOCKET_PATH = 107;

/**
 * Reads `unix:///run/csi.sock` or `tcp://127.0.0.1:10000`.
 * @throws DriverError `invalid-argument`
 */
export function parseEndpoint(text: string): Endpoint {
  const path = /^unix:(?:\/\/)?(\/[^/].*)$/.exec(text)?.[1];
  if (path !== undefined) {
    if (Buffer.byteLength(path) <= MAXIMUM_SOCKET_PATH) return { type: 'unix', path };
    throw new DriverError(
      'invalid-argument',
      `endpoint: the path in "${text}" is longer than the ${MAXIMUM_SOCKET_PATH} bytes that a socket may have`,
    );
  }
  const address = /^tcp:\/\/([^/\s]+:\d{1,5})$/.exec(text)?.[1];
  if (address !== undefined) return { type: 'tcp', address };
  throw new DriverError(
    'invalid-argument',
    `endpoint: "${text}" is neither unix:///absolute/path nor tcp://host:port`,
  );
}

/** Whether a process accepts connections on the socket. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

/**
 * Removes the socket file that a driver which was killed has left.
 * @throws DriverError `failed-precondition` for a socket on which somebody still answers, and for any other file.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new DriverError('failed-precondition', `endpoint: ${path} exists and is not a socket; remove it`);
  }
  if (await isAnswered(path)) {
    throw new DriverError('failed-precondition', `endpoint: another process already serves ${path}`);
  }
  await unlink(path);
}
