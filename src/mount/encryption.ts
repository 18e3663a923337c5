import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Argument, Command } from '../exec/command.ts';
import { MIB } from '../model/bytes.ts';
import { DriverError } from '../model/errors.ts';
import type { Secret } from '../model/secret.ts';
import { findDeviceByNumber, readDevice, readDeviceSize, type BlockDevice } from './block-device.ts';
import { LUKS_LABEL, LUKS_SIGNATURE, probeDevice } from './device-content.ts';
import type { FormatMark } from './format.ts';
import { describeFailure, requireOutput, withoutDeadline, type Host } from './host.ts';

const PROGRAM = 'cryptsetup';
/** Milliseconds; most of the time goes into deriving the key from the passphrase. */
const TIMEOUT = 120_000;
/** cryptsetup(8): no key slot opens with this passphrase; there is no such device. */
const WRONG_PASSPHRASE = 2;
const NO_DEVICE = 4;
/** By which the kernel knows what cryptsetup has opened. */
const UUID_PREFIX = 'CRYPT-LUKS';

/**
 * 64 MiB and four passes, instead of what the machine that formats can do in two seconds: other nodes open it too, in
 * a container whose memory may be limited.
 */
const KEY_DERIVATION = [
  ...['--pbkdf', 'argon2id', '--pbkdf-memory', '65536'],
  ...['--pbkdf-force-iterations', '4', '--pbkdf-parallel', '1'],
];

/** A block device, and the name of the device that shows what is in it, decrypted. */
export interface EncryptedDevice {
  readonly device: string;
  /** Of the device mapper, which has all names of a node; at most 127 letters, digits, `-` and `_`. */
  readonly name: string;
}

export interface OpenRequest extends EncryptedDevice {
  readonly passphrase: Secret;
  readonly readOnly: boolean;
  /** As of `ensureFileSystem`, and another one than that: it is about the encryption alone. */
  readonly mark: FormatMark;
  /** Called before a blank device is written to. Rejects if somebody else may be doing the same. */
  readonly beforeFormat: () => Promise<void>;
}

function cryptsetup(args: readonly Argument[]): Command {
  return {
    program: PROGRAM,
    args: ['--batch-mode', ...args],
    timeout: TIMEOUT,
    // The device node is made by cryptsetup itself. It would wait for a udev that is not in its container for ever.
    env: { DM_DISABLE_UDEV: '1' },
  };
}

/** Read from sysfs: nothing waits for a device, and nothing is remembered. */
export async function findDecrypted(name: string): Promise<BlockDevice | undefined> {
  const devices = (await readdir('/sys/block').catch(() => [])).filter(entry => entry.startsWith('dm-'));
  for (const device of devices) {
    const read = async (attribute: string) =>
      (await readFile(`/sys/block/${device}/${attribute}`, 'utf8').catch(() => '')).trim();
    if ((await read('dm/name')) === name && (await read('dm/uuid')).startsWith(UUID_PREFIX)) {
      return await findDeviceByNumber(await read('dev'));
    }
  }
  return undefined;
}

/** The first and the last MiB read as zeros afterwards, as those of a new image do: by that it is known as blank. */
async function blankEdges(device: BlockDevice, host: Host): Promise<void> {
  const size = await readDeviceSize(device);
  const stretch = size < MIB ? size : MIB;
  for (const offset of new Set([0n, size - stretch])) {
    const where = [`of=${device.path}`, `bs=${String(stretch)}`, 'count=1', `seek=${String(offset)}`];
    const args = ['if=/dev/zero', ...where, 'oflag=direct,seek_bytes', 'conv=notrunc,fsync'];
    await requireOutput({ program: 'dd', args, timeout: TIMEOUT }, host);
  }
}

/**
 * Not one that has no table, since whoever made it was killed; nor one over the device of an earlier mapping that has
 * died.
 */
async function isDecryptedFrom(decrypted: BlockDevice, device: string): Promise<boolean> {
  const below = basename((await readDevice(device)).path);
  const devices = await readdir(`/sys/dev/block/${decrypted.number}/slaves`);
  return devices.includes(below) && (await readDeviceSize(decrypted)) > 0n;
}

async function openDevice(request: OpenRequest, host: Host): Promise<BlockDevice> {
  const { device, name, passphrase, readOnly } = request;
  const present = await findDecrypted(name);
  if (present !== undefined) {
    if (await isDecryptedFrom(present, device)) return present;
    await closeDecrypted({ name }, host);
  }
  const command = cryptsetup([
    ...['open', '--type', 'luks', ...(readOnly ? ['--readonly'] : [])],
    // The volume is to give space back. Without the keyring, it can grow when no passphrase is at hand.
    ...['--allow-discards', '--disable-keyring'],
    ...['--key-file', { secret: passphrase }, device, name],
  ]);
  const result = await host.exec(command, host.context);
  if (result.exitCode === WRONG_PASSPHRASE) {
    throw new DriverError(
      'unauthenticated',
      `secrets: encryptionPassphrase does not open ${device}, which was encrypted with another one`,
    );
  }
  const opened = await findDecrypted(name);
  if (result.exitCode === 0 && opened !== undefined) return opened;
  throw new DriverError('failed-precondition', `${device}: ${describeFailure(command, result)}`);
}

/** Begun, it is done to the end, even if the caller has gone: else no retry is faster. */
async function encryptDevice(request: OpenRequest, host: Host): Promise<BlockDevice> {
  const { device, passphrase, mark, name } = request;
  const finishing = withoutDeadline(host);
  await closeDecrypted({ name }, finishing);
  const args: readonly Argument[] = [
    ...['luksFormat', '--type', 'luks2', '--label', LUKS_LABEL],
    ...[...KEY_DERIVATION, '--key-file', { secret: passphrase }, device],
  ];
  const command = { ...cryptsetup(args), uninterruptible: true };
  const result = await finishing.exec(command, finishing.context);
  if (result.exitCode !== 0) {
    throw new DriverError('failed-precondition', `${device}: ${describeFailure(command, result)}`);
  }
  const opened = await openDevice(request, finishing);
  await blankEdges(opened, finishing);
  await mark.clear(finishing.context);
  return opened;
}

/** Whether the device is to be formatted. @throws DriverError `failed-precondition` when it must not and is of no use. */
async function needsFormat({ device, readOnly, mark }: OpenRequest, host: Host): Promise<boolean> {
  const refuse = (content: string) => {
    throw new DriverError(
      'failed-precondition',
      `${device}: holds ${content}, and the volume is to be encrypted; only a blank device that may be written to ` +
        'is encrypted; data that is there can only be read without the parameter "encrypted"',
    );
  };
  if (await mark.isSet(host.context)) {
    if (readOnly) refuse('an interrupted format');
    host.context.log.warn({ device }, 'encrypting again: it was interrupted before it was complete');
    return true;
  }
  const content = await probeDevice({ device }, host);
  if (content.type === 'other' && content.signature === LUKS_SIGNATURE) return false;
  if (content.type === 'file-system') refuse(`a ${content.fsType} file system`);
  if (content.type === 'other') refuse(content.description);
  if (readOnly) refuse('nothing');
  return true;
}

/**
 * Opens an encrypted device (LUKS). One that is proven blank, or whose format was interrupted, is formatted first.
 * Open already: only what is missing is done.
 * @returns the device that shows the data.
 * @throws DriverError `failed-precondition` when the device holds anything else, or cannot be opened;
 *   `unauthenticated` when the passphrase is another one.
 */
export async function openEncrypted(request: OpenRequest, host: Host): Promise<BlockDevice> {
  if (!(await needsFormat(request, host))) return await openDevice(request, host);
  await request.beforeFormat();
  await request.mark.set(host.context);
  return await encryptDevice(request, host);
}

/**
 * Takes the decrypted device away; resolves also when there is none. Needs neither passphrase nor the device below.
 * @throws DriverError `failed-precondition` when it is in use.
 */
export async function closeDecrypted({ name }: { readonly name: string }, host: Host): Promise<void> {
  if ((await findDecrypted(name)) === undefined) return;
  const command = cryptsetup(['close', name]);
  const result = await host.exec(command, host.context);
  if (result.exitCode === 0 || result.exitCode === NO_DEVICE) return;
  throw new DriverError('failed-precondition', describeFailure(command, result));
}

/** Makes the decrypted device as large as the one below it allows. */
export async function growDecrypted({ name }: { readonly name: string }, host: Host): Promise<void> {
  await requireOutput(cryptsetup(['resize', name]), host);
}
