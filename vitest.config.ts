import { defineConfig } from 'vitest/config';

/** Two projects: `unit` needs nothing but Node; `ceph` drives a real one-node cluster, one file at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/ceph/**', 'test/sanity/**', 'test/e2e/**'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'ceph',
          include: ['test/ceph/**/*.test.ts', 'test/sanity/**/*.test.ts'],
          globalSetup: ['test/ceph/harness/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
