import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type CsiClient } from '../../src/grpc/client.ts';
import { csi } from '../../src/grpc/contract.ts';
import type { Cluster } from '../ceph/cluster.ts';

const root = join(import.meta.dirname, '../..');

/** Milliseconds for the driver to answer its first call, on a machine that is busy with other things. */
const START_BOUND = 60_000;

export interface DriverOptions {
  readonly cluster: Pick<Cluster, 'clustersFile' | 'credentialsDirectory'>;
  /** Where its sockets and state are; a driver started later with the same one goes on from there. */
  readonly directory: string;
  /** More options of `serve`. */
  readonly flags?: readonly string[];
  /** The program; default: the sources. */
  readonly program?: string;
}

/** A driver that runs as a process of its own, serving RBD and CephFS. */
export interface DriverProcess {
  readonly pid: number;
  readonly endpoints: { readonly rbd: string; readonly cephfs: string };
  readonly rbd: CsiClient;
  readonly cephfs: CsiClient;
  /** What it printed so far. */
  output(): string;
  /** Sends a signal (default SIGTERM), and resolves to the exit code, null after a deadly signal. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

function collectOutput(child: ChildProcess): () => string {
  const chunks: Buffer[] = [];
  const collect = (chunk: Buffer) => void chunks.push(chunk);
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  return () => Buffer.concat(chunks).toString();
}

/** Asks with a new client each time: one that found nobody would wait a second before it dials again. */
async function isServing(endpoint: string): Promise<boolean> {
  const client = createClient(endpoint);
  try {
    await client.call(csi.Identity.Probe, {}, { timeout: 5_000 });
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

async function waitUntilServing(endpoints: readonly string[], hasEnded: () => boolean): Promise<void> {
  const end = Date.now() + START_BOUND;
  for (const endpoint of endpoints) {
    while (!(await isServing(endpoint))) {
      if (hasEnded()) throw new Error('the driver ended');
      if (Date.now() > end) throw new Error(`the driver does not answer on ${endpoint}`);
      await sleep(50);
    }
  }
}

/** Starts `serve` and resolves when both drivers answer. */
export async function startDriver({
  cluster,
  directory,
  flags = [],
  program = join(root, 'src/main.ts'),
}: DriverOptions): Promise<DriverProcess> {
  const endpoints = {
    rbd: `unix://${join(directory, 'rbd.sock')}`,
    cephfs: `unix://${join(directory, 'cephfs.sock')}`,
  };
  const args = [
    ...[program, 'serve'],
    ...['--rbd-endpoint', endpoints.rbd, '--cephfs-endpoint', endpoints.cephfs],
    ...['--clusters-file', cluster.clustersFile, '--credentials-dir', cluster.credentialsDirectory],
    ...['--state-dir', join(directory, 'state')],
    ...flags,
  ];
  // Detached: Ctrl-C on a terminal is for who started the driver, and still needs it to clean up.
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collectOutput(child);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const ended = once(child, 'exit');
  const rbd = createClient(endpoints.rbd);
  const cephfs = createClient(endpoints.cephfs);

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    rbd.close();
    cephfs.close();
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  try {
    await waitUntilServing(Object.values(endpoints), hasEnded);
  } catch (error) {
    await stop('SIGKILL');
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}; it printed:\n${output()}`, { cause: error });
  }
  if (child.pid === undefined) throw new Error('the driver has no process');
  return { pid: child.pid, endpoints, rbd, cephfs, output, stop };
}
