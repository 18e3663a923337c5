import { status } from '@grpc/grpc-js';
import { createPatience } from './patience.ts';
import { createCalls, type Target } from './target.ts';

/** Calls side by side: Ceph makes the snapshots of one image one after the other. */
const CONCURRENCY = 4;
/** Milliseconds between two attempts, as the sidecars of Kubernetes have them. */
const PAUSE = 1_000;
/** What means that a later attempt may succeed. */
const REPEATABLE = [status.ABORTED, status.RESOURCE_EXHAUSTED, status.UNAVAILABLE];

/** What the loop came to. */
export interface LoopResult {
  readonly restores: number;
  /** Calls that had to be repeated, by the code of their answer. */
  readonly repeated: ReadonlyMap<string, number>;
  readonly seconds: number;
}

/**
 * Takes a snapshot of one volume, restores it and deletes the snapshot, `count` times, with all restored volumes kept
 * until the end: each holds a snapshot of the volume alive, and Ceph allows only so many. Then everything is deleted.
 */
export async function runRestoreLoop(target: Target, count: number): Promise<LoopResult> {
  const calls = createCalls(target);
  const { untilDone, repeated } = createPatience(REPEATABLE, PAUSE);
  const run = `loop-${process.pid}-${Date.now().toString(36)}`;
  const started = performance.now();
  try {
    const golden = await untilDone(() => calls.createVolume(run));
    const volumes = [golden];
    const indexes = Array.from({ length: count }, (_, index) => index).values();
    const work = async () => {
      for (const index of indexes) {
        const snapshot = await untilDone(() => calls.createSnapshot(`${run}-${index}`, golden));
        const name = `${run}-restored-${index}`;
        volumes.push(await untilDone(() => calls.createVolume(name, { snapshot })));
        await untilDone(() => calls.deleteSnapshot(snapshot));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    for (const volumeId of volumes) await untilDone(() => calls.deleteVolume(volumeId));
  } finally {
    calls.close();
  }
  return { restores: count, repeated, seconds: (performance.now() - started) / 1000 };
}
