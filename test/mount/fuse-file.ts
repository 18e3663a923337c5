import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountAt, parseMounts } from '../../src/mount/mountinfo.ts';

/** A FUSE file system of one file, whose daemon a test can stop and kill. */
export interface FuseFile {
  readonly path: string;
  /** The daemon no longer answers, and whoever asks it waits. */
  readonly freeze: () => Promise<void>;
  /** The daemon dies without unmounting. */
  readonly kill: () => Promise<void>;
}

/** Whether each thread of a process is stopped. */
function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${String(pid)}/task`).every(task =>
    readFileSync(`/proc/${String(pid)}/task/${task}/stat`, 'utf8').includes(') T '),
  );
}

/** QEMU's storage daemon, which serves a file of the directory as another file. */
export async function startFuseFile(directory: string): Promise<FuseFile> {
  const [source, path] = [join(directory, 'fuse-source'), join(directory, 'fuse-file')];
  writeFileSync(source, '');
  truncateSync(source, 1024 * 1024);
  writeFileSync(path, '');
  const daemon = spawn(
    'qemu-storage-daemon',
    [
      '--blockdev',
      JSON.stringify({ driver: 'file', 'node-name': 'disk', filename: source }),
      '--export',
      JSON.stringify({ type: 'fuse', id: 'export', 'node-name': 'disk', mountpoint: path }),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await once(daemon, 'spawn');
  const { pid = 0 } = daemon;
  const ended = once(daemon, 'exit');
  while (mountAt(parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')), path) === undefined) {
    if (daemon.exitCode !== null) throw new Error('qemu-storage-daemon did not start');
    await sleep(20);
  }
  return {
    path,
    freeze: async () => {
      daemon.kill('SIGSTOP');
      while (!isStopped(pid)) await sleep(20);
    },
    kill: async () => {
      daemon.kill('SIGKILL');
      await ended;
    },
  };
}
