import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programPath } from './program.ts';

/** A daemon is named as Ceph names it: `mon.a`, `osd.0`… */
function pidFile(directory: string, daemon: string): string {
  return join(directory, 'run', `${daemon}.pid`);
}

async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}

/** The process of a daemon, or undefined when it does not run. A number that another program has by now is none. */
async function findProcess(directory: string, daemon: string): Promise<number | undefined> {
  const pid = Number(await readText(pidFile(directory, daemon)));
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const argv = (await readText(`/proc/${pid}/cmdline`)).split('\0');
  return argv.includes(join(directory, 'ceph.conf')) ? pid : undefined;
}

/**
 * Whether a process has ended with all its threads. Its command line is empty some time before that, while it still
 * has its files open and locked; a zombie has let go of them.
 */
async function hasEnded(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  if (threads.length > 1) return false;
  return !/^State:\s+[^ZX]/m.test(await readText(`/proc/${pid}/status`));
}

async function waitForEnd(pid: number, milliseconds: number): Promise<boolean> {
  const end = Date.now() + milliseconds;
  while (!(await hasEnded(pid))) {
    if (Date.now() > end) return false;
    await sleep(50);
  }
  return true;
}

/**
 * Starts a daemon that outlives this process. It stays in the foreground of a session of its own: a manager that
 * sends itself to the background answers `fs subvolume authorize` with EBADF.
 */
export async function startDaemon(directory: string, daemon: string): Promise<void> {
  const [type, id] = daemon.split('.');
  if (type === undefined || id === undefined) throw new Error(`"${daemon}" is not the name of a daemon`);
  const output = openSync(join(directory, 'log', `${daemon}.out`), 'a');
  const args = ['-f', '--conf', join(directory, 'ceph.conf'), '-i', id];
  const env = { ...process.env, PATH: programPath(directory) };
  const child = spawn(`ceph-${type}`, args, { detached: true, env, stdio: ['ignore', output, output] });
  closeSync(output);
  const { pid } = child;
  if (pid === undefined) throw new Error(`ceph-${type} could not be started: is it installed?`);
  child.unref();
  await writeFile(pidFile(directory, daemon), `${pid}\n`);
}

/** Sends a signal to a daemon; SIGSTOP makes it hang, SIGCONT go on. */
export async function signalDaemon(directory: string, daemon: string, signal: NodeJS.Signals): Promise<void> {
  const pid = await findProcess(directory, daemon);
  if (pid === undefined) throw new Error(`${daemon} does not run`);
  process.kill(pid, signal);
}

/** Ends a daemon, at once with SIGKILL (the default), and waits until it is gone. */
export async function stopDaemon(
  directory: string,
  daemon: string,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<void> {
  const pid = await findProcess(directory, daemon);
  if (pid !== undefined) {
    process.kill(pid, signal);
    if (!(await waitForEnd(pid, 30_000))) {
      throw new Error(`${daemon} (process ${pid}) is still there 30 s after ${signal}`);
    }
  }
  await rm(pidFile(directory, daemon), { force: true });
}

/** The daemons that were started, whether they still run or not. */
export async function listDaemons(directory: string): Promise<readonly string[]> {
  const files = await readdir(join(directory, 'run')).catch(() => []);
  return files.filter(file => file.endsWith('.pid')).map(file => file.slice(0, -'.pid'.length));
}

export async function isRunning(directory: string, daemon: string): Promise<boolean> {
  return (await findProcess(directory, daemon)) !== undefined;
}
