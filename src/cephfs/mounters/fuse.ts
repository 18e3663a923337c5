import { access, constants } from 'node:fs/promises';
import { connectionArguments } from '../../ceph/connection.ts';
import type { CommandResult } from '../../exec/command.ts';
import { DriverError, type ErrorKind } from '../../model/errors.ts';
import type { MountedVolume, Mounter, MountRequest } from './mounter.ts';

/** Milliseconds; ceph-fuse itself gives up looking for the monitors after 8 s. */
const MOUNT_TIMEOUT = 60_000;

const KINDS: Readonly<Partial<Record<string, ErrorKind>>> = {
  1: 'permission-denied',
  2: 'not-found',
  13: 'permission-denied',
  108: 'permission-denied',
  110: 'unavailable',
};

/**
 * Who may do what is for the kernel to decide: the daemon would have to read a process's supplementary groups from its
 * own /proc, where the processes of Pods are not (Ceph's default; a volume with an fsGroup cannot be written to then).
 *
 * No splice: once it serves, ceph-fuse closes its standard error and goes on writing errors to descriptor 2. That may
 * be one of the pipes through which libfuse splices requests, and a mount whose pipe has a stray line in it answers
 * nothing any more (seen with 16.2, the same in later releases).
 */
const SAFE_SETTINGS = [
  '--fuse-default-permissions=true',
  '--fuse-set-user-groups=false',
  '--fuse-splice-read=false',
  '--fuse-splice-write=false',
  '--fuse-splice-move=false',
];

/** The mount's source in mountinfo, by which it is recognised; no comma may be in it. */
function sourceName({ volumeId }: MountedVolume): string {
  return `ceph-fuse:${encodeURIComponent(volumeId)}`;
}

/** What ceph-fuse says; without what it always prints, and the time and thread in front of each line. */
function reasonFrom(stderr: string): string {
  return stderr
    .split('\n')
    .map(line => line.replace(/^\d{4}-\d\d-\d\dT\S+ \S+ +-?\d+ /, '').trim())
    .filter(line => line !== '' && !/init, newargv|starting (ceph client|fuse)$/.test(line))
    .join('; ');
}

/** ceph-fuse exits 1 whatever went wrong, so that its words have to tell (16.2). */
function failureOf(result: CommandResult, { connection, fsName, path }: MountRequest): DriverError {
  const said = `${result.stdout}\n${result.stderr}`;
  const reason = reasonFrom(said) || `exit code ${result.exitCode}`;
  const user = `client.${connection.userId}`;
  if (said.includes('handle_auth_bad_method')) {
    return new DriverError(
      'unauthenticated',
      `ceph-fuse: the monitors do not let ${user} in: ${reason}; look at its name and key in the secret`,
    );
  }
  if (said.includes('failed to fetch mon config')) {
    const monitors = connection.monitors.join(', ');
    return new DriverError(
      'unavailable',
      `ceph-fuse: the monitors at ${monitors} cannot be reached: ${reason}`,
    );
  }
  const errno = /ceph mount failed with \((\d+)\)/.exec(said)?.[1];
  const kind = (errno === undefined ? undefined : KINDS[errno]) ?? 'internal';
  return new DriverError(kind, `ceph-fuse: mounting ${path} of file system ${fsName} as ${user}: ${reason}`);
}

/**
 * ceph-fuse, the client outside of the kernel. It detaches itself: the mount outlives the driver, which finds it
 * again by the name that mountinfo shows.
 */
export function createFuseMounter(fuseDevice = '/dev/fuse'): Mounter {
  return {
    name: 'fuse',

    async findObstacle() {
      try {
        await access(fuseDevice, constants.R_OK | constants.W_OK);
        return undefined;
      } catch (error) {
        return `${fuseDevice} cannot be used: ${String(error)}`;
      }
    },

    isMountOf(mount, volume) {
      return mount.fsType.startsWith('fuse') && mount.source === sourceName(volume);
    },

    async mount(request, host) {
      const names = [`fsname=${sourceName(request)}`, 'subtype=ceph-fuse'];
      const command = {
        program: 'ceph-fuse',
        args: [
          ...connectionArguments(request.connection),
          '--log-file=',
          '--admin-socket=',
          `--client_mountpoint=${request.path}`,
          `--client_fs=${request.fsName}`,
          '--client-quota=true',
          ...SAFE_SETTINGS,
          '-o',
          [...names, ...request.options].join(','),
          request.target,
        ],
        timeout: MOUNT_TIMEOUT,
        // Killed half-way, it would leave a daemon that still mounts.
        uninterruptible: true,
      };
      const result = await host.exec(command, host.context);
      if (result.exitCode !== 0) throw failureOf(result, request);
    },
  };
}
