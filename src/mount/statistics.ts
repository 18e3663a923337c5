import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Exec, CommandResult } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { findDeviceOfMount, isDeviceNode, readDeviceSize } from './block-device.ts';
import { runBounded } from './bounded-run.ts';
import { describeFailure, listMounts, withoutDeadline, type Host } from './host.ts';
import { mountAt, resolveMountPath, type Mount } from './mountinfo.ts';

/** Milliseconds that a file system may take to tell its sizes. */
const DEFAULT_LIMIT = 5_000;

export interface Usage {
  readonly total: bigint;
  readonly used: bigint;
  /** What somebody without privileges can still use. */
  readonly available: bigint;
}

export type VolumeStatistics =
  | {
      readonly type: 'file-system';
      readonly bytes: Usage;
      /** Absent where the file system counts none (btrfs, CephFS). */
      readonly inodes?: Usage;
      /** What is wrong with the volume, though it answers. */
      readonly abnormal?: string;
    }
  | { readonly type: 'block'; readonly totalBytes: bigint }
  /** It does not answer; the message says in what way. */
  | { readonly type: 'abnormal'; readonly message: string };

/** The statistics of what is mounted at a path. @throws DriverError `not-found` when nothing is. */
export type ReadStatistics = (
  request: { readonly path: string },
  context: Context,
) => Promise<VolumeStatistics>;

export interface StatisticsDependencies {
  readonly exec: Exec;
  readonly readMounts?: Host['readMounts'];
  /** Milliseconds until a file system that does not answer counts as stuck. */
  readonly limit?: number;
}

/** A program that is asking a file system at this moment. */
interface Question {
  readonly answer: Promise<CommandResult | 'stuck'>;
  readonly askedAt: number;
}

/** btrfs counts no inodes (0), CephFS knows no limit (free is -1, or the largest number): no usage to tell. */
function parseInodes(total: bigint, free: bigint): Usage | undefined {
  if (total === 0n || free < 0n || free > total) return undefined;
  return { total, used: total - free, available: free };
}

function parseStatistics(output: string, abnormal: string | undefined): VolumeStatistics {
  const fields = /^(\d+) (\d+) (\d+) (\d+) (\d+) (-?\d+)\n$/.exec(output)?.slice(1).map(BigInt);
  const [unit = 0n, blocks = 0n, free = 0n, available = 0n, inodes = 0n, freeInodes = 0n] = fields ?? [];
  if (fields === undefined) throw new DriverError('internal', `stat told no sizes: "${output}"`);
  const bytes = { total: unit * blocks, used: unit * (blocks - free), available: unit * available };
  const usage = parseInodes(inodes, freeInodes);
  return {
    type: 'file-system',
    bytes,
    ...(usage === undefined ? {} : { inodes: usage }),
    ...(abnormal === undefined ? {} : { abnormal }),
  };
}

/** The kernel makes a file system read-only or shuts it down, whatever its mounts say, when it finds it damaged. */
function describeEmergency(mount: Mount): string | undefined {
  const stopped = mount.superOptions.find(option => option === 'shutdown' || option === 'emergency_ro');
  if (stopped !== undefined) return `${mount.path}: the kernel has stopped the file system (${stopped})`;
  if (mount.options.includes('rw') && mount.superOptions.includes('ro')) {
    return `${mount.path}: the kernel has made the file system read-only, after an error`;
  }
  return undefined;
}

/** What ext4 counts since the file system was checked: an error that some kernels show nowhere else. */
async function describeErrors(mount: Mount): Promise<string | undefined> {
  if (mount.fsType !== 'ext4') return undefined;
  const device = await findDeviceOfMount(mount);
  const file = `/sys/fs/ext4/${basename(device?.path ?? '')}/errors_count`;
  const count = (await readFile(file, 'utf8').catch(() => '0')).trim();
  return count === '0' ? undefined : `${mount.path}: the kernel has found ${count} errors of the file system`;
}

/**
 * A reader of statistics that never hangs: a file system is asked by a child process, and one that does not answer
 * in time is reported. While that child waits, which may be for ever, the same mount is not asked again.
 */
export function createStatisticsReader(dependencies: StatisticsDependencies): ReadStatistics {
  const limit = dependencies.limit ?? DEFAULT_LIMIT;
  const questions = new Map<number, Question>();

  function ask({ id, path }: Mount, host: Host): Question {
    const pending = questions.get(id);
    if (pending !== undefined) return pending;
    const command = {
      program: 'stat',
      args: ['--file-system', '--format=%S %b %f %a %c %d', path],
      timeout: limit,
    };
    // Not bound to one caller's deadline: others may join.
    const answer = runBounded(command, withoutDeadline(host), () => questions.delete(id));
    const question = { answer, askedAt: performance.now() };
    questions.set(id, question);
    return question;
  }

  async function readFileSystem(mount: Mount, host: Host): Promise<VolumeStatistics> {
    const { answer, askedAt } = ask(mount, host);
    const result = await answer;
    if (result === 'stuck') {
      const seconds = Math.round((performance.now() - askedAt) / 1000);
      return {
        type: 'abnormal',
        message: `${mount.path}: the file system has not answered for ${seconds} s`,
      };
    }
    if (result.exitCode === 0) {
      return parseStatistics(result.stdout, describeEmergency(mount) ?? (await describeErrors(mount)));
    }
    return {
      type: 'abnormal',
      message: describeFailure({ program: 'stat', args: [], timeout: limit }, result),
    };
  }

  async function readBlock(mount: Mount): Promise<VolumeStatistics> {
    const device = await findDeviceOfMount(mount);
    if (device === undefined) return { type: 'abnormal', message: `${mount.path}: the device is gone` };
    return { type: 'block', totalBytes: await readDeviceSize(device) };
  }

  return async ({ path }, context) => {
    const { exec, readMounts } = dependencies;
    const host: Host = { exec, context, ...(readMounts === undefined ? {} : { readMounts }) };
    const mount = mountAt(await listMounts(host), await resolveMountPath(path));
    if (mount === undefined) throw new DriverError('not-found', `volume_path: nothing is mounted at ${path}`);
    return isDeviceNode(mount) ? await readBlock(mount) : await readFileSystem(mount, host);
  };
}
