import { readdir, readFile } from 'node:fs/promises';

/** What one process holds now. */
export interface ProcessUse {
  readonly name: string;
  /** Resident memory. */
  readonly mebibytes: number;
  readonly descriptors: number;
  /** Since it started, with its children that have ended. */
  readonly cpuSeconds: number;
}

interface Process extends ProcessUse {
  readonly pid: number;
  readonly parent: number;
}

/** Of `times` in /proc: the kernel gives them in this unit on every architecture. */
const TICKS_PER_SECOND = 100;
/** Columns of /proc/PID/stat after the name, which may have spaces in it. */
const PARENT = 1;
const CPU_TIMES = [11, 12, 13, 14];

/** Undefined when it has ended meanwhile. */
async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const columns = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = CPU_TIMES.reduce((sum, column) => sum + (columns[column] ?? 0), 0);
    return {
      pid,
      parent: columns[PARENT] ?? 0,
      name: /^Name:\s*(.*)$/m.exec(status)?.[1] ?? '?',
      mebibytes: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024,
      descriptors: (await readdir(`/proc/${pid}/fd`)).length,
      cpuSeconds: ticks / TICKS_PER_SECOND,
    };
  } catch {
    return undefined;
  }
}

/** A process and all that it has started and that still run; empty when it has ended. */
export async function readProcessTree(root: number): Promise<readonly ProcessUse[]> {
  const pids = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(readProcess))).filter(one => one !== undefined);
  const collect = (pid: number): readonly Process[] =>
    all.filter(one => one.parent === pid).flatMap(child => [child, ...collect(child.pid)]);
  return [...all.filter(({ pid }) => pid === root), ...collect(root)].map(
    ({ name, mebibytes, descriptors, cpuSeconds }) => ({ name, mebibytes, descriptors, cpuSeconds }),
  );
}

/** Of all of them together; 0 without any. */
export function sumCpuSeconds(tree: readonly ProcessUse[]): number {
  return tree.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}
