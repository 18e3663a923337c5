import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const mountPoint = '/sys/fs/cgroup';

/** @throws Error where the hierarchies are not those of version 1. */
async function listHierarchies(): Promise<string[]> {
  const entries = await readdir(mountPoint, { withFileTypes: true });
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
  if (!names.includes('memory') || !names.includes('cpuset')) {
    throw new Error(`${mountPoint} is no tree of cgroups of version 1, on which this node is built`);
  }
  return names;
}

async function inherit(directory: string, file: string): Promise<void> {
  await writeFile(join(directory, file), await readFile(join(directory, '..', file), 'utf8'));
}

/** A group for the node, and in it one for what is not in a Pod. A process can enter a cpuset only once it has CPUs. */
export async function createControlGroups(name: string): Promise<void> {
  for (const hierarchy of await listHierarchies()) {
    // Of version 2, beside the others: runc makes groups there as it needs them.
    if (hierarchy === 'unified') continue;
    for (const group of [name, join(name, 'system')]) {
      const directory = join(mountPoint, hierarchy, group);
      await mkdir(directory, { recursive: true });
      if (hierarchy !== 'cpuset') continue;
      await inherit(directory, 'cpuset.cpus');
      await inherit(directory, 'cpuset.mems');
    }
  }
}

async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  // A group stays busy for a moment after its last process has ended.
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      if (attempt === 100) throw error;
      await sleep(100);
    }
  }
}

/** Removes the node's groups, once no process is in them. */
export async function removeControlGroups(name: string): Promise<void> {
  for (const hierarchy of await listHierarchies()) await removeTree(join(mountPoint, hierarchy, name));
}
