/**
 * `npm run demo [-- --keep]`: brings a real one-node Ceph and the driver up, walks an RBD and a CephFS volume through
 * their lives with the calls that Kubernetes makes, and removes everything again, also after Ctrl-C.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bringUp } from './ceph/bring-up.ts';
import type { Cluster } from './ceph/cluster.ts';
import { runAsAdmin } from './ceph/program.ts';
import { takeDown } from './ceph/take-down.ts';
import { createNarrator, type Narrator } from './demo/narrator.ts';
import { createVolumeLife, showContent, writeGreeting, type VolumeLife } from './demo/volume-life.ts';
import { startDriver, type DriverProcess } from './driver/process.ts';
import { createRequestValues, mountCapability } from './driver/requests.ts';

const GIBIBYTE = 1024n ** 3n;

interface Stage {
  readonly cluster: Cluster;
  readonly driver: DriverProcess;
  readonly directory: string;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
  /** What has to be ended, the last begun first. */
  readonly lives: VolumeLife[];
}

function showCommand(stage: Stage, program: string, args: readonly string[], output: string): void {
  const conf = stage.cluster.conf;
  stage.narrator.show(`$ ${[program, '--conf', conf, ...args].join(' ')}\n${output}`);
}

async function showAsAdmin(stage: Stage, program: string, ...args: string[]): Promise<void> {
  const output = await runAsAdmin(stage.cluster, program, args);
  showCommand(stage, program, args, output.trim() || '(nothing)');
}

/** A block device image with xfs on it: that grows while mounted in containers without CAP_SYS_RESOURCE, too. */
async function showRbd(stage: Stage): Promise<void> {
  const { cluster, driver, narrator, signal } = stage;
  const life = createVolumeLife({
    client: driver.rbd,
    values: createRequestValues(cluster).rbd,
    name: 'pvc-demo-block',
    capability: mountCapability('SINGLE_NODE_WRITER', 'xfs'),
    staging: 'map, format, mount on the node',
    directory: join(stage.directory, 'rbd'),
    narrator,
    signal,
  });
  stage.lives.push(life);
  narrator.heading('An RBD volume: one node, a file system of its own');
  await life.create(GIBIBYTE);
  const pool = cluster.pools.replicated;
  await showAsAdmin(stage, 'rbd', 'info', `${pool}/csi-vol-pvc-demo-block`);
  await life.stage();
  const path = await life.publish('pod');
  await writeGreeting(path, 'Hello from an RBD image.', narrator);
  await showContent(path, narrator);
  await life.expand(2n * GIBIBYTE, path);
  await showContent(path, narrator);
}

/** A directory that several Pods share. */
async function showCephfs(stage: Stage): Promise<void> {
  const { cluster, driver, narrator, signal } = stage;
  const life = createVolumeLife({
    client: driver.cephfs,
    values: createRequestValues(cluster).cephfs,
    name: 'pvc-demo-shared',
    capability: mountCapability('MULTI_NODE_MULTI_WRITER'),
    staging: 'mount on the node',
    directory: join(stage.directory, 'cephfs'),
    narrator,
    signal,
  });
  stage.lives.push(life);
  narrator.heading('A CephFS volume: many Pods, the same files');
  await life.create(GIBIBYTE);
  await life.stage();
  const first = await life.publish('pod-a');
  const second = await life.publish('pod-b');
  await writeGreeting(first, 'Hello from pod-a.', narrator);
  await showContent(second, narrator);
}

async function endLives(stage: Stage): Promise<void> {
  for (let life = stage.lives.pop(); life !== undefined; life = stage.lives.pop()) await life.end();
}

function printAccess({ cluster, driver, directory, narrator }: Stage): void {
  narrator.heading('All of it stays until Ctrl-C');
  narrator.show(
    [
      `files           ls ${directory}/*/pod*`,
      `Ceph            ceph --conf ${cluster.conf} status`,
      `RBD driver      ${driver.endpoints.rbd}`,
      `CephFS driver   ${driver.endpoints.cephfs}`,
      `users and keys  ${cluster.directory}/lab.json`,
    ].join('\n'),
  );
}

async function tell(stage: Stage, keep: boolean): Promise<void> {
  try {
    await showRbd(stage);
    await showCephfs(stage);
    if (keep && !stage.signal.aborted) {
      printAccess(stage);
      await once(stage.signal, 'abort');
    }
  } finally {
    stage.narrator.heading('The end of both volumes');
    await endLives(stage);
  }
  await showAsAdmin(stage, 'rbd', 'ls', stage.cluster.pools.replicated);
}

async function main(keep: boolean, signal: AbortSignal): Promise<void> {
  const narrator = createNarrator(process.stdout);
  const name = `demo-${process.pid}`;
  const directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-demo-'));
  try {
    narrator.heading('The setting');
    const cluster = await narrator.step('a real Ceph: monitor, manager, 3 OSDs, metadata server', progress =>
      bringUp(name, detail => {
        signal.throwIfAborted();
        progress(detail);
      }),
    );
    signal.throwIfAborted();
    const driver = await narrator.step('the driver: controller and node in one process', () =>
      startDriver({ cluster, directory, flags: ['--node-id', 'demo-node'] }),
    );
    try {
      signal.throwIfAborted();
      await tell({ cluster, driver, directory, narrator, signal, lives: [] }, keep);
    } finally {
      await narrator.step('stop the driver', () => driver.stop());
    }
  } finally {
    await narrator.step('take the cluster down', () => takeDown(name));
    await rm(directory, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
try {
  await main(values.keep, interrupt.signal);
} catch (error) {
  if (interrupt.signal.aborted) {
    console.log('\nInterrupted; nothing is left.');
    process.exitCode = 130;
  } else {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
