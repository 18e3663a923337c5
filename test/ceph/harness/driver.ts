import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { startDriver, type DriverOptions, type DriverProcess } from '../../../dev/driver/process.ts';
import type { CsiClient } from '../../../src/grpc/client.ts';
import { cluster } from './cluster.ts';
import { findPrintedKeys, listClusterContent, listMachineContent, type Leaks } from './leaks.ts';

/** Milliseconds that purges in the background and programs that are about to end may take. */
const SETTLE_BOUND = 120_000;
/** Milliseconds for the hooks: starting, or settling and stopping, on a busy machine. */
const HOOK_BOUND = 2 * SETTLE_BOUND;

/** The driver of a test file. */
export interface TestDriver {
  /** Clients of the process that runs now. */
  readonly rbd: CsiClient;
  readonly cephfs: CsiClient;
  readonly process: DriverProcess;
  /** A directory of the file's own, for what it stages and publishes. */
  readonly directory: string;
  /** What all its processes printed so far. */
  output(): string;
  /** Ends the process (SIGTERM: it drains; SIGKILL: it falls over) and starts another one in its place. */
  restart(signal?: NodeJS.Signals): Promise<void>;
}

/** Asks until nothing is left; resolves to what still is when the bound has passed. */
async function waitForNothing(list: () => Promise<Leaks>): Promise<Leaks> {
  const end = Date.now() + SETTLE_BOUND;
  for (;;) {
    // A listing fails while what it lists goes away.
    const left = await list().catch((error: unknown) => [`cannot tell what is left: ${String(error)}`]);
    if (left.length === 0 || Date.now() > end) return left;
    await sleep(1_000);
  }
}

/**
 * Runs a driver, controller and node in one process, from before the first test of the file (or `describe`) until
 * after the last one. Then nothing may be left of what the file has made: no image, snapshot, trash entry or
 * subvolume, and no mount, loop device, process or file in memory. Neither may the driver have printed a key.
 */
export function useDriver(options: Pick<DriverOptions, 'flags' | 'program'> = {}): TestDriver {
  const flags = ['--node-id', 'test-node', '--log-level', 'debug', ...(options.flags ?? [])];
  const start = (place: string) => startDriver({ ...options, cluster, directory: place, flags });
  let directory: string | undefined;
  let running: DriverProcess | undefined;
  let before: Leaks = [];
  let earlier = '';

  function requireRunning(): DriverProcess {
    if (running === undefined) throw new Error('the driver runs from beforeAll to afterAll only');
    return running;
  }
  function requireDirectory(): string {
    if (directory === undefined) throw new Error('the directory is there from beforeAll to afterAll only');
    return directory;
  }
  const output = () => earlier + (running?.output() ?? '');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-test-'));
    before = await listClusterContent();
    running = await start(directory);
  }, HOOK_BOUND);

  afterAll(async () => {
    if (directory === undefined) return;
    const ownDirectory = directory;
    if (running === undefined) {
      await rm(ownDirectory, { recursive: true, force: true });
      return;
    }
    const left = await waitForNothing(async () =>
      (await listClusterContent()).filter(item => !before.includes(item)),
    );
    const exitCode = await running.stop();
    const leftHere = await waitForNothing(() => listMachineContent(ownDirectory));
    expect({ left, leftHere, printed: findPrintedKeys(output()), exitCode }).toEqual({
      left: [],
      leftHere: [],
      printed: [],
      exitCode: 0,
    });
    await rm(ownDirectory, { recursive: true, force: true });
  }, HOOK_BOUND + SETTLE_BOUND);

  return {
    get rbd() {
      return requireRunning().rbd;
    },
    get cephfs() {
      return requireRunning().cephfs;
    },
    get process() {
      return requireRunning();
    },
    get directory() {
      return requireDirectory();
    },
    output,
    async restart(signal = 'SIGTERM') {
      const old = requireRunning();
      await old.stop(signal);
      earlier += old.output();
      running = undefined;
      running = await start(requireDirectory());
    },
  };
}
