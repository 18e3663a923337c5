import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, inject, it } from 'vitest';
import { runInGuest } from '../../dev/guest/guest.ts';
import { findObstacle } from '../../dev/guest/kernel.ts';
import { DRIVER_MODULES } from '../../dev/guest/main.ts';
import type { TestedClients } from '../ceph/harness/clients.ts';

/** Milliseconds for a whole suite in a guest, on a machine that is busy with other things. */
const SUITE_BOUND = 3_600_000;

/** Milliseconds for a test or a hook in there, where programs start slowly. */
const TEST_BOUND = '900000';
/**
 * Not those that kill the driver after each program that it runs to stage a volume: they run some hundred programs,
 * each of which takes a second to start in a guest.
 */
const TEST_NAMES = '^(?!.*after any program of a )';

const root = join(import.meta.dirname, '../..');

const SUITES: readonly {
  readonly name: string;
  readonly clients: Partial<TestedClients>;
  readonly files: readonly string[];
}[] = [
  { name: 'RBD with krbd', clients: { mapper: 'krbd' }, files: ['test/ceph/node'] },
  { name: 'RBD with rbd-nbd', clients: { mapper: 'nbd' }, files: ['test/ceph/node'] },
  { name: 'CephFS with the kernel’s client', clients: { mounter: 'kernel' }, files: ['test/ceph/cephfs'] },
];

/** What this test run has set for itself is not for the one in the guest. */
function environmentFor({ mapper, mounter }: Partial<TestedClients>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS$|TEST$)/.test(name));
  return {
    ...Object.fromEntries(own),
    NO_COLOR: '1',
    CEPH_LAB: inject('cluster').name,
    ...(mapper === undefined ? {} : { TEST_MAPPER: mapper }),
    ...(mounter === undefined ? {} : { TEST_MOUNTER: mounter }),
  };
}

/** Keeps what is written to it. */
function createRecord(): { readonly stream: Writable; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

const obstacle = await findObstacle();

it.runIf(obstacle !== undefined)('a guest can run here', context => {
  // Where the whole of the tests has to run, their absence is a failure.
  if (process.env['CI'] !== undefined) throw new Error(`no kernel guest: ${obstacle ?? ''}`);
  context.skip(obstacle);
});

it.skipIf(obstacle !== undefined).each(SUITES)('$name', { timeout: SUITE_BOUND }, async suite => {
  const { clients, files } = suite;
  const record = createRecord();
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'ceph'];
  const options = [
    ...['--reporter', 'verbose', '--testNamePattern', TEST_NAMES],
    ...['--testTimeout', TEST_BOUND, '--hookTimeout', TEST_BOUND],
  ];
  const exitCode = await runInGuest({
    argv: [...vitest, ...options, ...files],
    directory: root,
    environment: environmentFor(clients),
    modules: DRIVER_MODULES,
    stdout: record.stream,
    stderr: record.stream,
  });
  expect(exitCode, record.text()).toBe(0);
});
