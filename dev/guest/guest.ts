import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { KERNEL_PROGRAM } from './kernel.ts';
import { chooseGuestNetwork, configureNetwork, isAttached, type GuestNetwork } from './network.ts';
import { createRunDirectory, type GuestCommand, type RunDirectory } from './run-directory.ts';

const MEBIBYTE = 1024 * 1024;
/** Milliseconds that a machine which is busy with other things may take to boot a guest. */
const BOOT_PATIENCE = 600_000;
/** Milliseconds that a guest may take to switch itself off; nothing in it is worth more. */
const POWER_OFF_PATIENCE = 30_000;

/** Says in the error that it was the guest that failed, and not its command. */
export const EARLY_END = 'its console ends with';

export interface GuestOptions extends GuestCommand {
  /** Kernel modules to load before the command runs. */
  readonly modules: readonly string[];
  /** MiB; three quarters of it can hold files. Default: 2048. */
  readonly memory?: number;
  /** Where the guest's run directory is made and removed. Default: that for temporary files. */
  readonly parentDirectory?: string;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Switches the guest off. */
  readonly signal?: AbortSignal;
}

/** The kernel keeps the guest's memory in a file: better one that is memory, too. */
async function chooseMemoryDirectory(memory: number): Promise<string> {
  const shared = await statfs('/dev/shm').catch(() => undefined);
  const fits = shared !== undefined && shared.bavail * shared.bsize > memory * MEBIBYTE;
  return fits ? '/dev/shm' : tmpdir();
}

/**
 * The guest's processes are processes of this machine: they live in a process namespace that ends with its first
 * one, and that one ends with us, whatever becomes of us.
 */
async function startKernel(run: RunDirectory, network: GuestNetwork, memory: number): Promise<ChildProcess> {
  const kernel = [
    KERNEL_PROGRAM,
    `mem=${memory}M`,
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'rw',
    `init=${run.path}/init.sh`,
    `run_directory=${run.path}`,
    'con=null',
    'con0=null,fd:2',
    'con1=null,fd:3',
    'con2=null,fd:4',
    'ssl=null',
    `vec0:transport=tap,ifname=${network.device},depth=128,gro=1`,
    `uml_dir=${run.path}/`,
    'umid=kernel',
    'noreboot',
    'panic=-1',
  ];
  const output = await open(join(run.path, 'console'), 'w');
  const wrapped = ['--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child', ...kernel];
  const child = spawn('setpriv', wrapped, {
    env: { ...process.env, TMPDIR: await chooseMemoryDirectory(memory) },
    stdio: ['ignore', output.fd, output.fd, 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  await output.close();
  return child;
}

/** Does the host's part until the guest has ended; rejects when the guest hangs. */
async function attend(child: ChildProcess, run: RunDirectory, network: GuestNetwork): Promise<void> {
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const waitUntil = async (what: string, test: () => Promise<boolean>, patience: number) => {
    const end = Date.now() + patience;
    while (!isOver() && !(await test())) {
      if (Date.now() > end) throw new Error(`the guest ${what} within ${patience / 1000} s`);
      await sleep(100);
    }
  };
  await waitUntil('did not take up its network', () => isAttached(network), BOOT_PATIENCE);
  if (isOver()) return;
  await configureNetwork(network);
  await run.announceNetwork();
  await waitUntil('did not start the command', () => run.has('started'), BOOT_PATIENCE);
  await waitUntil('', () => run.has('exit-code'), Infinity);
  await waitUntil('did not switch itself off', () => Promise.resolve(false), POWER_OFF_PATIENCE);
}

/**
 * Boots a guest, a Linux kernel with clients of its own for RBD and CephFS, in which this machine's files are there
 * as they are and root may do everything; runs a command in it and resolves to its exit code. What the command
 * writes goes with the guest. It reaches this machine's addresses, except those of the loopback network 127.0.0.0/8.
 * @throws Error with the end of the guest's console when it does not boot, or ends early.
 */
export async function runInGuest(options: GuestOptions): Promise<number> {
  const network = chooseGuestNetwork();
  const run = await createRunDirectory(
    options.parentDirectory ?? tmpdir(),
    options,
    options.modules,
    network,
  );
  try {
    const child = await startKernel(run, network, options.memory ?? 2048);
    const kill = () => child.kill('SIGKILL');
    options.signal?.addEventListener('abort', kill, { once: true });
    const [, , , stdout, stderr] = child.stdio as readonly unknown[] as readonly Readable[];
    stdout?.pipe(options.stdout, { end: false });
    stderr?.pipe(options.stderr, { end: false });
    const ended = once(child, 'close');
    const attended = attend(child, run, network).catch((error: unknown) => {
      kill();
      return error;
    });
    await ended;
    options.signal?.removeEventListener('abort', kill);
    options.signal?.throwIfAborted();
    const failure = await attended;
    const code = await run.readExitCode();
    if (code !== undefined) return code;
    const why = failure instanceof Error ? failure.message : 'the guest ended before its command did';
    throw new Error(`${why}; ${EARLY_END}:\n${await run.readConsole()}`, { cause: failure });
  } finally {
    await run.remove();
  }
}
