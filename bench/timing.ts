/** How one operation went: milliseconds, and calls a second over all of them. */
export interface Timing {
  readonly calls: number;
  readonly errors: number;
  readonly firstError?: string;
  /** Milliseconds; of the calls that succeeded. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly perSecond: number;
}

/** What was seen of one operation. */
export interface Observation {
  /** Milliseconds of each call that succeeded. */
  readonly times: readonly number[];
  readonly errors: readonly string[];
  /** From the first call's begin to the last one's end. */
  readonly seconds: number;
}

/** The value that this share of the others does not exceed: the nearest of those that were seen. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

export function summarize({ times, errors, seconds }: Observation): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    calls: times.length + errors.length,
    errors: errors.length,
    ...(errors[0] === undefined ? {} : { firstError: errors[0] }),
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    perSecond: seconds > 0 ? times.length / seconds : 0,
  };
}

/** Runs the tasks, `concurrency` of them at a time. */
export async function measure(tasks: readonly (() => Promise<void>)[], concurrency: number): Promise<Timing> {
  const times: number[] = [];
  const errors: string[] = [];
  const waiting = tasks.values();
  async function work(): Promise<void> {
    for (const task of waiting) {
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
  return summarize({ times, errors, seconds: (performance.now() - started) / 1000 });
}
