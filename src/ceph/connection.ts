import type { Argument } from '../exec/command.ts';
import type { Secret } from '../model/secret.ts';

/** How to reach a cluster, and as whom. */
export interface Connection {
  readonly monitors: readonly string[];
  /** Without `client.` in front. */
  readonly userId: string;
  readonly key: Secret;
}

/**
 * Seconds that a program may look for a monitor. Below the 10 s that the Kubernetes sidecars give a call by
 * default, so that the caller learns that the monitors cannot be reached instead of a bare time-out.
 */
export const MONITOR_TIMEOUT = 8;

/**
 * The arguments that every Ceph program takes. Monitors, user and key come from here alone: a configuration or
 * keyring that lies in /etc/ceph is not read.
 */
export function connectionArguments(connection: Connection): readonly Argument[] {
  return [
    '--conf',
    '/dev/null',
    '--keyring',
    '/dev/null',
    '--mon-host',
    connection.monitors.join(','),
    '--id',
    connection.userId,
    '--keyfile',
    { secret: connection.key },
    '--client-mount-timeout',
    String(MONITOR_TIMEOUT),
  ];
}
