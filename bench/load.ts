import { csi } from '../src/grpc/contract.ts';
import { createClient, type CsiClient } from '../src/grpc/client.ts';

/** What a load is made with: any CSI driver, any class. */
export interface LoadPlan {
  /** `unix:///path` or `tcp://host:port` of the controller. */
  readonly endpoint: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumes: number;
  /** Calls at a time. */
  readonly concurrency: number;
  readonly operations: readonly Operation[];
  /** Of a driver of this project: what its calls have cost since this was asked last. */
  readonly takeCost?: () => Cost;
}

/** What calls have cost together. */
export interface Cost {
  readonly calls: number;
  readonly processes: number;
  /** Requests to Ceph over a lasting connection. */
  readonly operations: number;
}

export const OPERATIONS = [
  'create',
  'create again',
  'snapshot',
  'restore',
  'clone',
  // After the copies, which are as large as their sources were.
  'expand',
  'delete snapshot',
  'delete',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** How one operation went: milliseconds, and calls a second over all of them. */
export interface OperationResult {
  readonly operation: Operation;
  readonly calls: number;
  readonly errors: number;
  readonly firstError?: string;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly perSecond: number;
  readonly cost?: Cost;
}

const GIB = 1024 ** 3;
/** Milliseconds for one call. */
const CALL_TIMEOUT = 120_000;

/** What has been made so far, by the volume's number. */
interface Made {
  readonly volumes: string[];
  readonly snapshots: string[];
  readonly restores: string[];
  readonly clones: string[];
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function measure(
  operation: Operation,
  tasks: readonly (() => Promise<void>)[],
  concurrency: number,
): Promise<OperationResult> {
  const times: number[] = [];
  const errors: string[] = [];
  let next = 0;
  async function work(): Promise<void> {
    for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) {
      const started = performance.now();
      try {
        await task();
        times.push(performance.now() - started);
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, work));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  return {
    operation,
    calls: tasks.length,
    errors: errors.length,
    ...(errors[0] === undefined ? {} : { firstError: errors[0] }),
    p50: percentile(times, 0.5),
    p95: percentile(times, 0.95),
    p99: percentile(times, 0.99),
    perSecond: times.length / seconds,
  };
}

/** The tasks of one operation over all volumes; each records what it made. */
function planTasks(
  operation: Operation,
  client: CsiClient,
  plan: LoadPlan,
  made: Made,
  run: string,
): readonly (() => Promise<void>)[] {
  const { parameters, secrets } = plan;
  const options = { timeout: CALL_TIMEOUT };
  const numbers = Array.from({ length: plan.volumes }, (_, index) => index);
  const create = async (name: string, into: string[], index: number, source?: object) => {
    const request = {
      name,
      parameters,
      secrets,
      capacity_range: { required_bytes: GIB },
      volume_capabilities: [{ mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } }],
      ...(source === undefined ? {} : { volume_content_source: source }),
    };
    const response = await client.call(csi.Controller.CreateVolume, request, options);
    into[index] = response.volume?.volume_id ?? '';
  };
  const remove = (volumeId: string) =>
    client.call(csi.Controller.DeleteVolume, { volume_id: volumeId, secrets }, options);

  switch (operation) {
    case 'create':
    case 'create again':
      return numbers.map(index => () => create(`load-${run}-${index}`, made.volumes, index));
    case 'expand':
      return numbers.map(index => async () => {
        const request = {
          volume_id: made.volumes[index] ?? '',
          secrets,
          capacity_range: { required_bytes: 2 * GIB },
        };
        await client.call(csi.Controller.ControllerExpandVolume, request, options);
      });
    case 'snapshot':
      return numbers.map(index => async () => {
        const request = {
          name: `load-${run}-snap-${index}`,
          source_volume_id: made.volumes[index] ?? '',
          secrets,
        };
        const response = await client.call(csi.Controller.CreateSnapshot, request, options);
        made.snapshots[index] = response.snapshot?.snapshot_id ?? '';
      });
    case 'restore':
      return numbers.map(
        index => () =>
          create(`load-${run}-restore-${index}`, made.restores, index, {
            snapshot: { snapshot_id: made.snapshots[index] ?? '' },
          }),
      );
    case 'clone':
      return numbers.map(
        index => () =>
          create(`load-${run}-clone-${index}`, made.clones, index, {
            volume: { volume_id: made.volumes[index] ?? '' },
          }),
      );
    case 'delete snapshot':
      return made.snapshots.map(snapshotId => async () => {
        await client.call(csi.Controller.DeleteSnapshot, { snapshot_id: snapshotId, secrets }, options);
      });
    case 'delete':
      return [...made.restores, ...made.clones, ...made.volumes].map(volumeId => async () => {
        await remove(volumeId);
      });
  }
}

/**
 * Puts a load on a CSI controller: each operation over all volumes, `concurrency` calls at a time. What it makes,
 * it deletes, when `delete snapshot` and `delete` are among the operations.
 */
export async function runLoad(plan: LoadPlan): Promise<readonly OperationResult[]> {
  const client = createClient(plan.endpoint);
  const made: Made = { volumes: [], snapshots: [], restores: [], clones: [] };
  const run = `${process.pid}-${plan.concurrency}-${Date.now().toString(36)}`;
  const results: OperationResult[] = [];
  try {
    for (const operation of plan.operations) {
      plan.takeCost?.();
      const result = await measure(
        operation,
        planTasks(operation, client, plan, made, run),
        plan.concurrency,
      );
      const cost = plan.takeCost?.();
      results.push({ ...result, ...(cost === undefined ? {} : { cost }) });
    }
  } finally {
    client.close();
  }
  return results;
}

/** The average for one call. */
function formatCost(cost: Cost | undefined): readonly string[] {
  if (cost === undefined) return [];
  return [cost.processes, cost.operations].map(count => (count / Math.max(1, cost.calls)).toFixed(1));
}

/** The results as a table of text, a line for each operation. */
export function formatResults(results: readonly OperationResult[], concurrency: number): string {
  const costs = results.some(({ cost }) => cost !== undefined) ? ['processes', 'operations'] : [];
  const header = [
    'call',
    'at a time',
    'calls',
    'errors',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'per second',
    ...costs,
  ];
  const rows = results.map(result => [
    result.operation,
    String(concurrency),
    String(result.calls),
    String(result.errors),
    result.p50.toFixed(0),
    result.p95.toFixed(0),
    result.p99.toFixed(0),
    result.perSecond.toFixed(1),
    ...formatCost(result.cost),
  ]);
  const lines = [header, header.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}
