import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bringUp, type BringUpOptions } from '../../../dev/ceph/bring-up.ts';
import { findCluster, labDirectory, type Cluster } from '../../../dev/ceph/cluster.ts';
import { parseRelease } from '../../../dev/ceph/release.ts';
import { takeDown } from '../../../dev/ceph/take-down.ts';

declare module 'vitest' {
  interface ProvidedContext {
    cluster: Cluster;
  }
}

/** Clusters of test runs that were killed before they could take theirs down. */
async function takeDownAbandoned(): Promise<void> {
  const names = await readdir(labDirectory).catch(() => []);
  const abandoned = names.filter(name => {
    const [, pid] = /^(?:test|guest)-([0-9]+)$/.exec(name) ?? [];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
  await Promise.all(abandoned.map(takeDown));
}

/** For a process that ends at once, as with Ctrl-C. */
function takeDownNow(name: string): void {
  const lab = join(import.meta.dirname, '../../../dev/lab.ts');
  spawnSync(process.execPath, [lab, 'ceph', 'down', '--name', name], { stdio: 'ignore' });
}

/** `CEPH_RELEASE=20`: another Ceph than the one that is installed here. */
function chosenRelease(): BringUpOptions {
  const text = process.env['CEPH_RELEASE'];
  return text === undefined ? {} : { release: parseRelease(text) };
}

/**
 * Brings a cluster up for the run, and takes it down at its end. `CEPH_LAB=NAME` uses one that is up already
 * (`npm run lab -- ceph up --name NAME`), and leaves it.
 */
export async function provideCluster(
  project: TestProject,
  kind: 'test' | 'guest',
  options: BringUpOptions = {},
): Promise<() => Promise<void>> {
  const existing = process.env['CEPH_LAB'];
  if (existing !== undefined) {
    const cluster = await findCluster(existing);
    if (cluster === undefined) throw new Error(`CEPH_LAB: there is no cluster "${existing}"`);
    project.provide('cluster', cluster);
    return () => Promise.resolve();
  }
  await takeDownAbandoned();
  const name = `${kind}-${process.pid}`;
  const onExit = () => takeDownNow(name);
  process.once('exit', onExit);
  project.provide('cluster', await bringUp(name, undefined, { ...chosenRelease(), ...options }));
  return async () => {
    await takeDown(name);
    process.off('exit', onExit);
  };
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (process.env['CSI_TEST_KILLS'] === undefined) {
    process.stdout.write('not run: kills at random; CSI_TEST_KILLS=1 has them\n');
  }
  return await provideCluster(project, 'test');
}
