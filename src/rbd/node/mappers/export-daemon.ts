import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DriverError, isErrorOfKind } from '../../../model/errors.ts';
import { describeFailure, pause, type Host } from '../../../mount/host.ts';
import type { MapRequest } from './mapper.ts';
import { converse } from './qmp.ts';

const PROGRAM = 'qemu-storage-daemon';
/** Milliseconds; the daemon's own search for a monitor ends before. */
const START_TIMEOUT = 30_000;
/** Milliseconds between two looks, and looks until a daemon that was asked to end is made to. */
const PAUSE = 50;
const POLITE_LOOKS = 100;
/** Looks until a daemon that was killed counts as stuck in the kernel. */
const FINAL_LOOKS = 100;

/** The block node in the daemon that is the image. */
const NODE = 'image';
/** The block node that is the image opened a second time. */
const AGAIN = 'again';

/** The directory of one export, and what lies there. */
export interface ExportFiles {
  readonly directory: string;
  /** The image as a file: the FUSE mount. */
  readonly image: string;
  readonly socket: string;
  readonly conf: string;
}

export function exportFiles(directory: string): ExportFiles {
  const at = (name: string) => join(directory, name);
  return { directory, image: at('image'), socket: at('qmp'), conf: at('ceph.conf') };
}

/** A setting of librbd, which is what an option of this mapper is. */
function writeSetting(option: string): string {
  const [, name, value] = /^([a-z0-9_]+)=(.+)$/.exec(option) ?? [];
  if (name !== undefined && value !== undefined) return `${name} = ${value}`;
  throw new DriverError(
    'invalid-argument',
    `mapOptions: "fuse:${option}" is not a setting of librbd such as fuse:rbd_op_threads=2`,
  );
}

/**
 * Ceph's configuration of one daemon. It holds no secret.
 * @throws DriverError `invalid-argument` for an option that is no setting.
 */
export function writeConfiguration(request: MapRequest): string {
  const lines = [
    '[global]',
    `mon host = ${request.connection.monitors.join(',')}`,
    'keyring = /dev/null',
    'log file = /dev/null',
    'admin socket =',
    'client mount timeout = 8',
    ...request.options.map(writeSetting),
  ];
  return `${lines.join('\n')}\n`;
}

/** A comma in a value of QEMU's options is written twice. */
function escapeOption(value: string): string {
  return value.replaceAll(',', ',,');
}

function socketOption(files: ExportFiles): string {
  return `socket,id=qmp,path=${escapeOption(files.socket)},server=on,wait=off`;
}

/** The block node; the daemon keeps the key as the object `key`. */
function blockNode(request: MapRequest, files: ExportFiles): object {
  return {
    driver: 'rbd',
    'node-name': NODE,
    pool: request.pool,
    ...(request.namespace === undefined ? {} : { namespace: request.namespace }),
    image: request.image,
    conf: files.conf,
    user: request.connection.userId,
    'key-secret': 'key',
    'read-only': request.readOnly,
    discard: 'unmap',
    // No cache in librbd: what the kernel was told is written is on the OSDs, so that a daemon that dies loses
    // nothing, and one that hangs can be killed.
    cache: { direct: true },
  };
}

/**
 * Starts a daemon that shows the image as a file; resolves when it is there. The daemon is in a session of its own
 * and stays when the driver ends.
 * @throws DriverError `internal` with the daemon's own words.
 */
export async function startDaemon(request: MapRequest, files: ExportFiles, host: Host): Promise<void> {
  const mountPoint = escapeOption(files.image);
  const writable = request.readOnly ? 'off' : 'on';
  const command = {
    program: PROGRAM,
    args: [
      '--daemonize',
      '--object',
      { prefix: 'secret,id=key,format=base64,file=', secret: request.connection.key },
      '--blockdev',
      JSON.stringify(blockNode(request, files)),
      '--export',
      `type=fuse,id=export,node-name=${NODE},mountpoint=${mountPoint},writable=${writable},allow-other=off`,
      '--chardev',
      socketOption(files),
      '--monitor',
      'chardev=qmp',
    ],
    timeout: START_TIMEOUT,
  };
  const result = await host.exec(command, host.context);
  if (result.exitCode !== 0) throw new DriverError('internal', describeFailure(command, result));
}

async function readArguments(pid: string): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0');
}

/** The processes that serve the export, or are about to: known by their arguments, not by a file that may be old. */
async function findDaemons(files: ExportFiles): Promise<readonly number[]> {
  const option = socketOption(files);
  const pids = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async pid => {
      const [program = '', ...args] = await readArguments(pid);
      return basename(program) === PROGRAM && args.includes(option) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

function sendSignal(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function areGone(files: ExportFiles, looks: number, host: Host): Promise<boolean> {
  for (let look = 0; look < looks; look += 1) {
    if ((await findDaemons(files)).length === 0) return true;
    if (host.context.signal.aborted) return false;
    await pause(PAUSE, host);
  }
  return false;
}

/**
 * Ends the daemons of an export; nobody may use its file any more. One whose cluster does not answer cannot close
 * its image, and is killed: it holds nothing that is not written.
 * @throws DriverError `aborted` when one is still there.
 */
export async function stopDaemons(files: ExportFiles, host: Host): Promise<void> {
  for (const pid of await findDaemons(files)) sendSignal(pid, 'SIGTERM');
  if (await areGone(files, POLITE_LOOKS, host)) return;
  for (const pid of await findDaemons(files)) sendSignal(pid, 'SIGKILL');
  if (await areGone(files, FINAL_LOOKS, host)) return;
  const pids = (await findDaemons(files)).join(', ');
  throw new DriverError('aborted', `${files.directory}: its ${PROGRAM} (process ${pids}) does not end`);
}

/** The options of the image's node, as the running daemon was given them. */
async function readBlockNode(files: ExportFiles): Promise<object> {
  const [pid] = await findDaemons(files);
  const args = pid === undefined ? [] : await readArguments(String(pid));
  const text = args[args.indexOf('--blockdev') + 1];
  if (pid === undefined || text === undefined) {
    throw new DriverError('unavailable', `${files.directory}: its ${PROGRAM} is not running`);
  }
  const node = JSON.parse(text) as unknown;
  return typeof node === 'object' && node !== null ? node : {};
}

function readImageSize(nodes: unknown, name: string): number {
  const list: readonly unknown[] = Array.isArray(nodes) ? nodes : [];
  for (const node of list as readonly Partial<Record<string, unknown>>[]) {
    const image = node['image'] as Partial<Record<string, unknown>> | undefined;
    const size = image?.['virtual-size'];
    if (node['node-name'] === name && typeof size === 'number') return size;
  }
  throw new DriverError('internal', `${PROGRAM} tells no size of its node ${name}`);
}

function ignoreInternal(error: unknown): void {
  if (!isErrorOfKind(error, 'internal')) throw error;
}

/**
 * Makes a running daemon see the size that its image has now. The daemon keeps the size that it found first, so it
 * is asked to open the image once more, read-only, with the key that it holds, and to take over what it finds.
 * @throws DriverError `unavailable` when it does not answer.
 */
export async function refreshDaemon(files: ExportFiles, host: Host): Promise<void> {
  const { signal } = host.context;
  const node = await readBlockNode(files);
  await converse(files.socket, signal, async execute => {
    // An earlier call may have been cut off before it closed what it opened.
    await execute('blockdev-del', { 'node-name': AGAIN }).catch(ignoreInternal);
    await execute('blockdev-add', { ...node, 'node-name': AGAIN, 'read-only': true });
    const nodes = await execute('query-named-block-nodes', { flat: true });
    await execute('blockdev-del', { 'node-name': AGAIN });
    const size = readImageSize(nodes, AGAIN);
    if (size > readImageSize(nodes, NODE)) await execute('block_resize', { 'node-name': NODE, size });
  });
}
