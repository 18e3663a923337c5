import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { connectionArguments } from '../../../ceph/connection.ts';
import { EBUSY, failureOf, parseOutput } from '../../../ceph/failure.ts';
import { imageSpec } from '../../../ceph/rbd-session.ts';
import type { Exec } from '../../../exec/command.ts';
import { DriverError } from '../../../model/errors.ts';
import { describeFailure, QUICK, type Host } from '../../../mount/host.ts';
import { exists, findMissingModule, findMissingProgram } from './kernel-module.ts';
import type { Mapper, MapRequest, Mapping, NodeImage } from './mapper.ts';

/** Milliseconds. */
const MAP_TIMEOUT = 60_000;
const PROGRAM = 'rbd-nbd';
/** In the environment of each process: rbd-nbd does not tell of which cluster an image is. */
const CLUSTER_VARIABLE = 'CSI_DRIVER_CEPH_CLUSTER';

export interface NbdMapperDependencies {
  readonly exec: Exec;
  /** Default: `/sys`. */
  readonly sysfs?: string;
  /** Default: `/proc`. */
  readonly proc?: string;
}

interface NbdDevice {
  /** Of the process behind it. */
  readonly pid: string;
  readonly pool: string;
  readonly namespace: string;
  readonly image: string;
  readonly snapshot: string;
  readonly device: string;
}

function parseDevice(value: unknown): NbdDevice | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields: Readonly<Partial<Record<string, unknown>>> = { ...value };
  const read = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '');
  return {
    pid: read('id'),
    pool: read('pool'),
    namespace: read('namespace'),
    image: read('image'),
    snapshot: read('snap'),
    device: read('device'),
  };
}

function isSameImage(device: NbdDevice, image: NodeImage): boolean {
  const isSnapshot = device.snapshot !== '' && device.snapshot !== '-';
  if (isSnapshot || device.pool !== image.pool) return false;
  return device.namespace === (image.namespace ?? '') && device.image === image.image;
}

/** Maps with rbd-nbd: librbd in a process of its own behind the kernel's network block device. */
export function createNbdMapper(dependencies: NbdMapperDependencies): Mapper {
  const { exec, sysfs = '/sys', proc = '/proc' } = dependencies;
  const firstDevice = join(sysfs, 'block/nbd0');

  /** One of which nothing is known was mapped by somebody else, or is in another process namespace. */
  async function isOfCluster({ pid }: NbdDevice, clusterId: string): Promise<boolean> {
    const environment = await readFile(join(proc, pid, 'environ'), 'utf8').catch(() => '');
    const prefix = `${CLUSTER_VARIABLE}=`;
    const entry = environment.split('\0').find(text => text.startsWith(prefix));
    return entry === undefined || entry === `${prefix}${clusterId}`;
  }

  async function find(image: NodeImage, host: Host): Promise<Mapping | undefined> {
    if (!(await exists(firstDevice)) || (await findMissingProgram(PROGRAM)) !== undefined) return undefined;
    const command = { program: PROGRAM, args: ['list-mapped', '--format', 'json'], timeout: QUICK };
    const result = await host.exec(command, host.context);
    if (result.exitCode !== 0) throw new DriverError('internal', describeFailure(command, result));
    const list = result.stdout.trim() === '' ? [] : parseOutput(result, 'rbd-nbd list-mapped');
    const entries: readonly unknown[] = Array.isArray(list) ? list : [];
    const devices = entries.map(parseDevice).filter(device => device !== undefined);
    const candidates = devices.filter(device => isSameImage(device, image));
    const areOfCluster = await Promise.all(candidates.map(device => isOfCluster(device, image.clusterId)));
    const found = candidates.find((_, index) => areOfCluster[index]);
    if (found === undefined) return undefined;
    const flag = join(sysfs, 'block', basename(found.device), 'ro');
    const readOnly = (await readFile(flag, 'utf8').catch(() => '0')).trim() === '1';
    return { device: found.device, readOnly };
  }

  /** Through ioctl, not netlink, which rbd-nbd would have to be asked for: with netlink it does not grow online. */
  async function map(request: MapRequest, host: Host): Promise<Mapping> {
    const args = [
      'map',
      ...connectionArguments(request.connection),
      ...(request.readOnly ? ['--read-only'] : []),
      ...request.options.map(option => `--${option}`),
      imageSpec(request),
    ];
    const env = { [CLUSTER_VARIABLE]: request.clusterId };
    const result = await host.exec({ program: PROGRAM, args, env, timeout: MAP_TIMEOUT }, host.context);
    if (result.exitCode !== 0) {
      const what = `nbd: mapping ${imageSpec(request)}`;
      throw failureOf(result, { what, connection: request.connection });
    }
    return { device: result.stdout.trim(), readOnly: request.readOnly };
  }

  /**
   * rbd-nbd holds the device open itself, so that the close of its last user writes nothing back; and it disconnects
   * without doing so. What a raw block volume was given last would be lost.
   */
  async function flush({ device, readOnly }: Mapping, host: Host): Promise<void> {
    if (readOnly) return;
    const command = { program: 'sync', args: [device], timeout: MAP_TIMEOUT };
    const result = await host.exec(command, host.context);
    if (result.exitCode !== 0) throw new DriverError('internal', describeFailure(command, result));
  }

  async function unmap(image: NodeImage, options: readonly string[], host: Host): Promise<void> {
    const mapping = await find(image, host);
    if (mapping === undefined) return;
    await flush(mapping, host);
    const command = {
      program: PROGRAM,
      args: ['unmap', ...options.map(option => `--${option}`), mapping.device],
      timeout: MAP_TIMEOUT,
    };
    const result = await host.exec(command, host.context);
    if (result.exitCode === 0 || (await find(image, host))?.device !== mapping.device) return;
    throw new DriverError(
      result.exitCode === EBUSY ? 'failed-precondition' : 'internal',
      `${mapping.device} (${imageSpec(image)}): ${describeFailure(command, result)}`,
    );
  }

  return {
    name: 'nbd',
    findObstacle: async (_needs, context) =>
      (await findMissingProgram(PROGRAM)) ?? (await findMissingModule('nbd', firstDevice, exec, context)),
    find,
    map,
    unmap,
    // rbd-nbd watches its image and passes a new size on by itself.
    refresh: () => Promise.resolve(),
  };
}
