import { status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats calls as the sidecars of Kubernetes do. */
export interface Patience {
  readonly untilDone: <T>(call: () => Promise<T>) => Promise<T>;
  /** Calls that had to be repeated so far, by the code of their answer. */
  readonly repeated: ReadonlyMap<string, number>;
}

/**
 * @param codes the answers that mean that a later attempt may succeed.
 * @param pause milliseconds between two attempts.
 */
export function createPatience(codes: readonly status[], pause: number): Patience {
  const repeated = new Map<string, number>();
  return {
    repeated,
    async untilDone(call) {
      for (;;) {
        try {
          return await call();
        } catch (error) {
          const code = (error as { readonly code?: status }).code ?? status.UNKNOWN;
          if (!codes.includes(code)) throw error;
          repeated.set(status[code], (repeated.get(status[code]) ?? 0) + 1);
          await sleep(pause);
        }
      }
    },
  };
}
