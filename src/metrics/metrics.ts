import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What is going on in a driver at this moment. */
export interface Activity {
  /** Volumes and snapshots that a call holds, so that no other may touch them. */
  readonly locksHeld: number;
  /** Calls that wait for the result of the same call, which runs. */
  readonly callsJoined: number;
  /** Seconds that the oldest of these has been held; 0 when there is none. */
  readonly oldestLockSeconds: number;
  /** Deleted volumes that are still to be purged. Absent: the driver purges nothing. */
  readonly purgesPending?: number;
  /** Volumes that are being flattened, or wait for it. Absent: the driver flattens nothing. */
  readonly flatteningsPending?: number;
}

/** What the driver counts, for Prometheus. */
export interface Metrics {
  /** @param code the name of the gRPC status. */
  observeCall(driver: string, method: string, code: string, seconds: number): void;
  /** @param exitCode absent when the program did not come to exit by itself. */
  readonly observeProgram: (program: string, exitCode: number | undefined, seconds: number) => void;
  /** @param code an errno; 0 for success. */
  readonly observeOperation: (operation: string, code: number, seconds: number) => void;
  /** @param read is asked at each scrape. */
  watchDriver(driver: string, read: () => Activity): void;
  /** All of it, in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

const PREFIX = 'csi_driver_ceph_';

/** From what a running session answers in to what a sidecar waits for, and behind that what it gave up. */
const CALL_BUCKETS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120, 300];
const PROGRAM_BUCKETS = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60];

const GAUGES = {
  locks_held: ['Volumes and snapshots that a running call holds.', ({ locksHeld }) => locksHeld],
  calls_joined: [
    'Calls that wait for the result of the same call, which is running.',
    ({ callsJoined }) => callsJoined,
  ],
  oldest_lock_seconds: [
    'How long the oldest lock has been held; 0 when there is none.',
    ({ oldestLockSeconds }) => oldestLockSeconds,
  ],
  purges_pending: [
    'Deleted volumes in the trash that this process is to purge.',
    ({ purgesPending }) => purgesPending,
  ],
  flattenings_pending: [
    'Volumes with a long chain of parents that are being flattened or wait for it.',
    ({ flatteningsPending }) => flatteningsPending,
  ],
} as const satisfies Record<string, readonly [string, (activity: Activity) => number | undefined]>;

function createGauges(registry: Registry): Map<string, () => Activity> {
  const drivers = new Map<string, () => Activity>();
  for (const [name, [help, select]] of Object.entries(GAUGES)) {
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      labelNames: ['driver'],
      registers: [registry],
      collect() {
        for (const [driver, read] of drivers) {
          const value = select(read());
          if (value !== undefined) this.set({ driver }, value);
        }
      },
    });
  }
  return drivers;
}

/**
 * Metrics of one process, in a registry of their own. Besides the driver's there are those of Node.js: memory, event
 * loop, garbage collection, handles.
 */
export function createMetrics(build: { readonly version: string; readonly role: string }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the labels tell what runs.',
    labelNames: ['version', 'role', 'node_version'],
    registers,
  }).set({ ...build, node_version: process.version }, 1);
  const calls = new Histogram({
    name: `${PREFIX}call_duration_seconds`,
    help: 'CSI calls by method and gRPC status.',
    labelNames: ['driver', 'method', 'code'],
    buckets: CALL_BUCKETS,
    registers,
  });
  const programs = new Histogram({
    name: `${PREFIX}program_duration_seconds`,
    help: 'Programs that were run, by name and exit code ("none": killed, or it could not be started).',
    labelNames: ['program', 'exit_code'],
    buckets: PROGRAM_BUCKETS,
    registers,
  });
  const operations = new Histogram({
    name: `${PREFIX}operation_duration_seconds`,
    help: 'Operations that Ceph was asked for over connections that stay open, by name and errno (0: success).',
    labelNames: ['operation', 'code'],
    buckets: PROGRAM_BUCKETS,
    registers,
  });
  const drivers = createGauges(registry);
  return {
    observeCall: (driver, method, code, seconds) => calls.observe({ driver, method, code }, seconds),
    observeProgram: (program, exitCode, seconds) =>
      programs.observe({ program, exit_code: String(exitCode ?? 'none') }, seconds),
    observeOperation: (operation, code, seconds) => operations.observe({ operation, code }, seconds),
    watchDriver: (driver, read) => void drivers.set(driver, read),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
