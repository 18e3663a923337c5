import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { describe, expect, inject, it } from 'vitest';
import { EARLY_END, runInGuest } from '../../dev/guest/guest.ts';
import { findObstacle } from '../../dev/guest/kernel.ts';
import { DRIVER_MODULES } from '../../dev/guest/main.ts';
import type { TestedClients } from '../ceph/harness/clients.ts';

/** Milliseconds for a whole suite in a guest, on a machine that is busy with other things. */
const SUITE_BOUND = 2_400_000;

/** Milliseconds for a test or a hook in there, where programs start slowly. */
const TEST_BOUND = '900000';
/** MiB of a guest: what its programs need, and the images that the tests write there. */
const MEMORY = 1536;

const root = join(import.meta.dirname, '../..');
/** What each guest prints, to be looked at while it runs. */
const logDirectory = join(root, '.cache/guest');

interface Suite {
  readonly name: string;
  readonly clients: Partial<TestedClients>;
  readonly files: readonly string[];
  /** A regular expression for the names of the tests; default: all. */
  readonly tests?: string;
}

/**
 * Each runs in a guest of its own, next to the others: a guest has one processor. Not those tests that kill the
 * driver after each program that it runs to stage a volume: they run some hundred programs, each of which takes half a
 * second in a guest. What does not depend on the mapper is tested with krbd alone. The longest stand first.
 */
const RBD_SUITES: readonly Suite[] = [
  {
    name: 'RBD with rbd-nbd',
    clients: { mapper: 'nbd' },
    files: ['test/ceph/node'],
    tests: [
      'of ext4 keeps its data',
      'of xfs grows while',
      'gives deleted data back',
      'a raw block volume',
      'mounted from a device that nobody can write to',
      'unstaging .block.',
      'is refused while the first one writes',
      'a daemon that dies',
      'is written to Ceph as what nobody can read',
    ].join('|'),
  },
  {
    name: 'RBD with krbd: encryption',
    clients: { mapper: 'krbd' },
    files: ['test/ceph/node/encryption.test.ts'],
  },
  {
    name: 'RBD with krbd: kills and faults',
    clients: { mapper: 'krbd' },
    files: ['test/ceph/node/interruption.test.ts', 'test/ceph/node/kernel-client.test.ts'],
    tests: '^(?!.*after any program of a )',
  },
  {
    name: 'RBD with krbd: staging',
    clients: { mapper: 'krbd' },
    files: ['test/ceph/node/staging.test.ts'],
    tests: '^(?!.*(of btrfs grows|of an administrator|that does not exist|is not found by))',
  },
];

/** One after the other: they look at all that is in the cluster. What the controller alone does is not among their tests. */
const LONELY_SUITES: readonly Suite[] = [
  {
    name: 'CephFS with the kernel’s client',
    clients: { mounter: 'kernel' },
    files: ['volumes', 'daemon', 'kernel-client'].map(name => `test/ceph/cephfs/${name}.test.ts`),
    tests: [
      'see each other',
      'what its size says',
      'staged for reading',
      'a restore has',
      'files stay open',
      'a static volume',
      'the kernel.s client',
    ].join('|'),
  },
  ...(['krbd', 'nbd'] as const).map(mapper => ({
    name: `RBD over gRPC with ${mapper}`,
    clients: { mapper },
    files: ['test/ceph/node/service.test.ts'],
  })),
];

/** What this test run has set for itself is not for the one in the guest. */
function environmentFor({ mapper, mounter }: Partial<TestedClients>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS$|TEST$)/.test(name));
  return {
    ...Object.fromEntries(own),
    NO_COLOR: '1',
    CEPH_LAB: inject('cluster').name,
    TEST_BOUND,
    ...(mapper === undefined ? {} : { TEST_MAPPER: mapper }),
    ...(mounter === undefined ? {} : { TEST_MOUNTER: mounter }),
  };
}

const obstacle = await findObstacle();

if (obstacle !== undefined) process.stdout.write(`not run: kernels with clients of Ceph; ${obstacle}\n`);

/** A guest that ended before its tests did tells nothing of them: a new one is given a try. */
const bounds = { timeout: SUITE_BOUND, retry: { count: 1, condition: new RegExp(EARLY_END) } };

async function runSuite(
  { name, clients, files, tests = '' }: Suite,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  await mkdir(logDirectory, { recursive: true });
  const logFile = join(logDirectory, `${name.replaceAll(/[^\w-]+/g, '-')}.log`);
  const log = createWriteStream(logFile);
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'ceph'];
  const options = ['--reporter', 'verbose', '--testNamePattern', tests];
  const exitCode = await runInGuest({
    argv: [...vitest, ...options, ...files],
    directory: root,
    environment: environmentFor(clients),
    modules: DRIVER_MODULES,
    memory: MEMORY,
    parentDirectory: inject('cluster').directory,
    signal,
    stdout: log,
    stderr: log,
  }).finally(() => finished(log.end()));
  expect(exitCode, await readFile(logFile, 'utf8')).toBe(0);
}

describe.skipIf(obstacle !== undefined)('in a guest', () => {
  describe.concurrent('side by side', () => {
    it.for(RBD_SUITES)('$name', bounds, runSuite);
  });
  it.for(LONELY_SUITES)('$name', bounds, runSuite);
});
