import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectionArguments } from '../../../ceph/connection.ts';
import { EBUSY, failureOf } from '../../../ceph/failure.ts';
import { imageSpec } from '../../../ceph/rbd-session.ts';
import type { ReadAffinity } from '../../../config/read-affinity.ts';
import type { CommandResult, Exec } from '../../../exec/command.ts';
import { DriverError } from '../../../model/errors.ts';
import { describeFailure, type Host } from '../../../mount/host.ts';
import { mergeMountOptions } from '../../../mount/mount-options.ts';
import { exists, findMissingModule } from './kernel-module.ts';
import type { Mapper, MapRequest, Mapping, NodeImage } from './mapper.ts';

/** Milliseconds. */
const MAP_TIMEOUT = 60_000;
/** errno(3): the kernel's client of the cluster is on the cluster's blocklist. */
const ESHUTDOWN = 108;
/** What the kernel shows for a mapping of the image itself, not of one of its snapshots. */
const NO_SNAPSHOT = '-';
/** Features that no kernel's client has; librbd does. */
const UNKNOWN_FEATURES: readonly string[] = ['journaling'];

export interface KernelMapperDependencies {
  readonly exec: Exec;
  /** Default: `/sys`. */
  readonly sysfs?: string;
  /** The socket of udev; where there is none, `rbd` must be told so, or it waits for it for ever. */
  readonly udevSocket?: string;
  /** Default: none. */
  readonly readAffinity?: ReadAffinity;
}

interface KernelDevice {
  readonly number: string;
  readonly pool: string;
  readonly namespace: string;
  readonly image: string;
  readonly imageId: string;
  readonly snapshot: string;
}

function isSameImage(device: KernelDevice, image: NodeImage): boolean {
  if (device.snapshot !== NO_SNAPSHOT || device.pool !== image.pool) return false;
  if (device.namespace !== (image.namespace ?? '')) return false;
  // By its ID where that is known: the name of an image can change, and exist in two clusters.
  return image.imageId === undefined ? device.image === image.image : device.imageId === image.imageId;
}

/** Maps with the kernel's own client, the fastest one. */
export function createKernelMapper(dependencies: KernelMapperDependencies): Mapper {
  const { exec, sysfs = '/sys', udevSocket = '/run/udev/control', readAffinity } = dependencies;
  const bus = join(sysfs, 'bus/rbd');

  async function readDevice(number: string): Promise<KernelDevice | undefined> {
    const read = async (name: string) => (await readFile(join(bus, 'devices', number, name), 'utf8')).trim();
    try {
      const [pool, image, imageId, snapshot] = await Promise.all(
        ['pool', 'name', 'image_id', 'current_snap'].map(read),
      );
      // Kernels before 4.19 know no namespaces.
      const namespace = await read('pool_ns').catch(() => '');
      if (pool === undefined || image === undefined) return undefined;
      return { number, pool, namespace, image, imageId: imageId ?? '', snapshot: snapshot ?? NO_SNAPSHOT };
    } catch {
      // It was unmapped while we looked.
      return undefined;
    }
  }

  /** One at most, unless somebody else has mapped the image, too. */
  async function findDevices(image: NodeImage): Promise<readonly KernelDevice[]> {
    const numbers = await readdir(join(bus, 'devices')).catch(() => []);
    const devices = await Promise.all(numbers.map(readDevice));
    return devices.filter(device => device !== undefined).filter(device => isSameImage(device, image));
  }

  async function isReadOnly(number: string): Promise<boolean> {
    const text = await readFile(join(sysfs, 'block', `rbd${number}`, 'ro'), 'utf8').catch(() => '0');
    return text.trim() === '1';
  }

  async function find(image: NodeImage): Promise<Mapping | undefined> {
    const [device] = await findDevices(image);
    if (device === undefined) return undefined;
    return { device: `/dev/rbd${device.number}`, readOnly: await isReadOnly(device.number) };
  }

  async function optionArguments(options: readonly string[]): Promise<readonly string[]> {
    const all = (await exists(udevSocket)) ? options : ['noudev', ...options];
    return all.length === 0 ? [] : ['--options', all.join(',')];
  }

  async function runMap(request: MapRequest, options: readonly string[], host: Host): Promise<CommandResult> {
    const args = [
      'device',
      'map',
      ...connectionArguments(request.connection),
      '--device-type',
      'krbd',
      ...(request.readOnly ? ['--read-only'] : []),
      ...(await optionArguments(options)),
      imageSpec(request),
    ];
    return await host.exec({ program: 'rbd', args, timeout: MAP_TIMEOUT }, host.context);
  }

  /**
   * The lock of the image passes between clients as usual, without `exclusive`: a client that keeps it to itself
   * lets nobody snapshot or resize the image. A second writer is refused before it maps.
   */
  async function map(request: MapRequest, host: Host): Promise<Mapping> {
    const affinity = (await readAffinity?.(request.clusterId, host.context)) ?? [];
    const options = mergeMountOptions(affinity, request.options);
    let result = await runMap(request, options, host);
    // The client that all mappings of the node share was shut out of the cluster, and stays so until the last of
    // them is gone: this one gets a client of its own.
    if (result.exitCode === ESHUTDOWN) result = await runMap(request, [...options, 'noshare'], host);
    if (result.exitCode !== 0) {
      const what = `krbd: mapping ${imageSpec(request)}`;
      throw failureOf(result, { what, connection: request.connection });
    }
    return { device: result.stdout.trim(), readOnly: request.readOnly };
  }

  async function unmapDevice(
    image: NodeImage,
    number: string,
    options: readonly string[],
    host: Host,
  ): Promise<void> {
    const device = `/dev/rbd${number}`;
    const args = ['device', 'unmap', '--conf', '/dev/null', '--device-type', 'krbd'];
    const command = {
      program: 'rbd',
      args: [...args, ...(await optionArguments(options)), device],
      timeout: MAP_TIMEOUT,
    };
    const result = await host.exec(command, host.context);
    const isGone = !(await findDevices(image)).some(present => present.number === number);
    if (result.exitCode === 0 || isGone) return;
    throw new DriverError(
      result.exitCode === EBUSY ? 'failed-precondition' : 'internal',
      `${device} (${imageSpec(image)}): ${describeFailure(command, result)}`,
    );
  }

  /** `force` is never given unasked: what was written last, and is not in the cluster yet, would be lost. */
  async function unmap(image: NodeImage, options: readonly string[], host: Host): Promise<void> {
    for (const { number } of await findDevices(image)) await unmapDevice(image, number, options, host);
  }

  return {
    name: 'krbd',
    async findObstacle({ features, listLimits }, context) {
      const unknown = features.find(feature => UNKNOWN_FEATURES.includes(feature));
      if (unknown !== undefined) return `the kernel does not know the image feature ${unknown}`;
      const missing = await findMissingModule('rbd', bus, exec, context);
      if (missing !== undefined) return missing;
      const limits = await listLimits();
      return limits.length === 0
        ? undefined
        : `the kernel keeps to no limits, and the image has ${limits.join(', ')}`;
    },
    find,
    map,
    unmap,
    async refresh(image) {
      for (const { number } of await findDevices(image)) {
        // This makes the kernel look now. Where it is not allowed, the kernel is told by Ceph, a moment later.
        await writeFile(join(bus, 'devices', number, 'refresh'), '1').catch(() => undefined);
      }
    },
  };
}
