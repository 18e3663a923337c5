import { readdir, readFile } from 'node:fs/promises';

async function readStatus(pid: number): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return new Map(text.split('\n').map(line => [line.split(':')[0] ?? '', line.split(':')[1]?.trim() ?? '']));
}

/** Resident memory of a process, in MiB, and its open descriptors. */
async function describeProcess(pid: number): Promise<string> {
  const status = await readStatus(pid);
  const kib = Number.parseInt(status.get('VmRSS') ?? '0');
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return `${status.get('Name') ?? '?'} ${Math.round(kib / 1024)} MiB, ${descriptors.length} descriptors`;
}

/** What a driver and the processes that it has started hold now, in words. */
export async function describeMemory(pid: number): Promise<string> {
  const pids = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name)).map(Number);
  const parents = await Promise.all(pids.map(async one => Number((await readStatus(one)).get('PPid'))));
  const children = pids.filter((_, index) => parents[index] === pid);
  return `memory: ${(await Promise.all([pid, ...children].map(describeProcess))).join('; ')}`;
}
