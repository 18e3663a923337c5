import { createHash } from 'node:crypto';

/** Names longer than this are hashed: a handle, which holds the name and its place, has 128 bytes in all. */
const MAXIMUM_READABLE = 63;

/**
 * The name in Ceph of what a request's `name` asks for: prefix and name as they are where an administrator can
 * read and type them, else the prefix and 32 hex digits of the name's SHA-256. The same request always gives the
 * same name, which is what makes a retry find its own earlier work.
 */
export function chooseName(prefix: string, requestName: string): string {
  const readable = `${prefix}${requestName}`;
  const isHashLike = /^[0-9a-f]{32}$/.test(requestName);
  if (/^[A-Za-z0-9._-]+$/.test(requestName) && readable.length <= MAXIMUM_READABLE && !isHashLike) {
    return readable;
  }
  return `${prefix}${createHash('sha256').update(requestName).digest('hex').slice(0, 32)}`;
}
