import { MIB } from '../model/bytes.ts';
import { DriverError } from '../model/errors.ts';
import { readDevice, readDeviceSize, type BlockDevice } from './block-device.ts';
import { describeFailure, type Host } from './host.ts';

/** Milliseconds: a device whose cluster is away answers no read. */
const PROBE_TIMEOUT = 60_000;
/** blkid(8) with --probe: nothing found, or the device could not be read. */
const NOTHING_FOUND = 2;
/** blkid(8) with --probe: signatures of several things. */
const AMBIVALENT = 8;

/** blkid's name for the header of an encrypted device. */
export const LUKS_SIGNATURE = 'crypto_LUKS';
/** What the driver writes into the header of a device that it encrypts. */
export const LUKS_LABEL = 'csi-driver-ceph';

/** What is on a device. */
export type DeviceContent =
  | { readonly type: 'blank' }
  | { readonly type: 'file-system'; readonly fsType: string; readonly uuid?: string }
  /** Data of another kind, or that nobody knows; `signature` is blkid's name for it, such as `crypto_LUKS`. */
  | { readonly type: 'other'; readonly description: string; readonly signature?: string };

/** A device that the driver has encrypted. */
export const OWN_ENCRYPTION = {
  type: 'other',
  description: 'an encrypted volume of this driver',
  signature: LUKS_SIGNATURE,
} as const satisfies DeviceContent;

function parseContent(output: string): DeviceContent {
  const values = new Map<string, string>();
  for (const line of output.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  const type = values.get('TYPE');
  const uuid = values.get('UUID');
  if (type !== undefined && values.get('USAGE') === 'filesystem') {
    return { type: 'file-system', fsType: type, ...(uuid === undefined ? {} : { uuid }) };
  }
  if (type === LUKS_SIGNATURE && values.get('LABEL') === LUKS_LABEL) return OWN_ENCRYPTION;
  if (type !== undefined) return { type: 'other', description: `data of type ${type}`, signature: type };
  const table = values.get('PTTYPE');
  if (table !== undefined) return { type: 'other', description: `a partition table (${table})` };
  return { type: 'other', description: 'data that blkid knows but does not name' };
}

/** Whether a stretch of a device reads as zeros. @throws DriverError `internal` when it cannot be read. */
async function isZero(device: string, offset: bigint, bytes: bigint, host: Host): Promise<boolean> {
  const args = [
    '--silent',
    `--bytes=${String(bytes)}`,
    `--ignore-initial=${String(offset)}:0`,
    device,
    '/dev/zero',
  ];
  const command = { program: 'cmp', args, timeout: PROBE_TIMEOUT };
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0) return true;
  if (result.exitCode === 1) return false;
  throw new DriverError('internal', `${device}: cannot be read: ${describeFailure(command, result)}`);
}

/**
 * What blkid knows on a device; undefined when that is nothing. It finds nothing on a device that it failed to read,
 * too.
 * @throws DriverError `internal` when blkid fails.
 */
export async function readSignature({ path }: BlockDevice, host: Host): Promise<DeviceContent | undefined> {
  const args = ['--probe', '--output', 'export', path];
  const command = { program: 'blkid', args, timeout: PROBE_TIMEOUT };
  const result = await host.exec(command, host.context);
  switch (result.exitCode) {
    case 0:
      return parseContent(result.stdout);
    case AMBIVALENT:
      return { type: 'other', description: 'signatures of several kinds of data at once' };
    case NOTHING_FOUND:
      return undefined;
    default:
      throw new DriverError('internal', `${path}: ${describeFailure(command, result)}`);
  }
}

/**
 * What a device holds. It counts as blank when blkid finds no signature and its first and last MiB read as zeros.
 * @throws DriverError `internal` when the device cannot be read, `not-found` when there is none.
 */
export async function probeDevice(request: { readonly device: string }, host: Host): Promise<DeviceContent> {
  const device = await readDevice(request.device);
  const content = await readSignature(device, host);
  if (content !== undefined) return content;
  const size = await readDeviceSize(device);
  const stretch = size < MIB ? size : MIB;
  const isBlank =
    (await isZero(device.path, 0n, stretch, host)) &&
    (await isZero(device.path, size - stretch, stretch, host));
  return isBlank ? { type: 'blank' } : { type: 'other', description: 'data of no known kind' };
}
