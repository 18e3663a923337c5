import { readdir, readFile, readlink } from 'node:fs/promises';
import { listMounts, type Host } from './host.ts';
import { listLoopDevices } from './loop-device.ts';
import { mountsBelow } from './mountinfo.ts';

/** Holders that one message names. */
const MAXIMUM_NAMED = 5;

async function readLink(path: string): Promise<string> {
  return await readlink(path).catch(() => '');
}

/** The paths that a process has open, works in, or runs. These links are read without touching what they name. */
async function pathsOfProcess(pid: string): Promise<readonly string[]> {
  const directory = `/proc/${pid}`;
  const descriptors = await readdir(`${directory}/fd`).catch(() => []);
  const links = ['cwd', 'root', 'exe', ...descriptors.map(descriptor => `fd/${descriptor}`)];
  return await Promise.all(links.map(link => readLink(`${directory}/${link}`)));
}

async function describeProcess(pid: string): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return `process ${pid} (${name.trim()})`;
}

/**
 * Who keeps a mount busy, in words, as far as can be seen from here: processes (of the driver's PID namespace
 * whose paths read the same), mounts below, loop devices over files in it. Empty when nobody is found.
 */
export async function describeHolders(path: string, host: Host): Promise<string> {
  const isInside = (name: string) => name === path || name.startsWith(`${path}/`);
  const holders = mountsBelow(await listMounts(host), path).map(mount => `a mount at ${mount.path}`);
  for (const device of await listLoopDevices()) {
    if (isInside(device.backingFile)) holders.push(`${device.path} over ${device.backingFile}`);
  }
  for (const pid of (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name))) {
    if (holders.length > MAXIMUM_NAMED) break;
    if ((await pathsOfProcess(pid)).some(isInside)) holders.push(await describeProcess(pid));
  }
  const rest = holders.length > MAXIMUM_NAMED ? ', and others' : '';
  return holders.slice(0, MAXIMUM_NAMED).join(', ') + rest;
}
