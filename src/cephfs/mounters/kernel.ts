import { readFile } from 'node:fs/promises';
import type { Exec } from '../../exec/command.ts';
import type { Context } from '../../model/call.ts';
import { isErrorOfKind } from '../../model/errors.ts';
import { runMount } from '../../mount/mounting.ts';
import type { Mounter } from './mounter.ts';

/** Milliseconds. */
const MODPROBE_TIMEOUT = 10_000;

/** The part of `[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]` for a protocol; other addresses are as they are. */
function addressFor(monitor: string, protocol: 'v1' | 'v2'): string | undefined {
  if (!/^\[?v[12]:/.test(monitor)) return monitor;
  const parts = monitor.replace(/^\[(?=v[12]:)|\](?!:)$/g, '').split(',');
  return parts
    .find(part => part.startsWith(`${protocol}:`))
    ?.slice(protocol.length + 1)
    .replace(/\/\d+$/, '');
}

/** The monitors as the kernel takes them: it speaks the older protocol unless `ms_mode` asks for the newer one. */
export function kernelMonitors(monitors: readonly string[], options: readonly string[]): string {
  const mode = options.find(option => option.startsWith('ms_mode='));
  const protocol = mode === undefined || mode === 'ms_mode=legacy' ? 'v1' : 'v2';
  return monitors
    .map(monitor => addressFor(monitor, protocol))
    .filter(address => address !== undefined)
    .join(',');
}

async function knowsCeph(fileSystemsFile: string): Promise<boolean> {
  const text = await readFile(fileSystemsFile, 'utf8').catch(() => '');
  return text.split('\n').some(line => line.trim().split(/\s+/).at(-1) === 'ceph');
}

async function loadModule(exec: Exec, context: Context): Promise<string | undefined> {
  try {
    const result = await exec({ program: 'modprobe', args: ['ceph'], timeout: MODPROBE_TIMEOUT }, context);
    return result.exitCode === 0 ? undefined : result.stderr.trim();
  } catch (error) {
    if (isErrorOfKind(error, 'failed-precondition')) return error.message;
    throw error;
  }
}

/** The kernel's own client. */
export function createKernelMounter(exec: Exec, fileSystemsFile = '/proc/filesystems'): Mounter {
  return {
    name: 'kernel',

    async findObstacle(context) {
      if (await knowsCeph(fileSystemsFile)) return undefined;
      const why = await loadModule(exec, context);
      if (why === undefined && (await knowsCeph(fileSystemsFile))) return undefined;
      return `the kernel does not know ceph${why === undefined ? '' : `: ${why}`}`;
    },

    isMountOf(mount, volume) {
      return mount.fsType === 'ceph' && mount.source.endsWith(`:${volume.path}`);
    },

    async mount(request, host) {
      const { connection, fsName, path, target, options } = request;
      const settings = [`name=${connection.userId}`, `mds_namespace=${fsName}`, ...options];
      await runMount(
        [
          '--types',
          'ceph',
          '--options',
          settings.join(','),
          '--options',
          { secret: connection.key, prefix: 'secretfile=' },
          `${kernelMonitors(connection.monitors, options)}:${path}`,
          target,
        ],
        target,
        host,
      );
    },
  };
}
