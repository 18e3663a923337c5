import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Milliseconds for a test or a hook on a busy machine; a guest, where programs start slowly, is given more. */
const bound = Number(process.env['TEST_BOUND'] ?? 180_000);
/** For files that share one real cluster: one at a time. */
const onOneCluster = { fileParallelism: false, testTimeout: bound, hookTimeout: bound };

/**
 * `unit` needs nothing but Node; `ceph` drives a real one-node cluster; `guest` has the node's part run on a kernel
 * with clients of its own; `e2e` is a real one-node Kubernetes with the chart.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/ceph/**', 'test/sanity/**', 'test/guest/**', 'test/e2e/**'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'ceph',
          include: ['test/ceph/**/*.test.ts', 'test/sanity/**/*.test.ts'],
          globalSetup: ['test/ceph/harness/global-setup.ts'],
          ...onOneCluster,
        },
      },
      {
        test: {
          name: 'guest',
          include: ['test/guest/**/*.test.ts'],
          globalSetup: ['test/guest/global-setup.ts'],
          // A guest has one processor, and its programs start slowly where it has to share it.
          maxConcurrency: availableParallelism(),
          ...onOneCluster,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/harness/global-setup.ts'],
          ...onOneCluster,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
