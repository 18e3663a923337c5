import { status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { csi } from '../src/grpc/contract.ts';
import { createClient, type CsiClient } from '../src/grpc/client.ts';
import type { LoadPlan } from './load.ts';

/** Calls side by side: Ceph makes the snapshots of one image one after the other. */
const CONCURRENCY = 4;
/** Bytes; nothing is written to the volumes. */
const SIZE = 1024 ** 3;
/** Milliseconds for a call, and between two attempts, as the sidecars of Kubernetes have them. */
const CALL_TIMEOUT = 60_000;
const PAUSE = 1_000;
const options = { timeout: CALL_TIMEOUT };

type Target = Pick<LoadPlan, 'endpoint' | 'parameters' | 'secrets'>;

/** What the loop came to. */
export interface LoopResult {
  readonly restores: number;
  /** Calls that had to be repeated, by the code of their answer. */
  readonly repeated: ReadonlyMap<string, number>;
  readonly seconds: number;
}

/** What means that a later attempt may succeed. */
const REPEATABLE: readonly number[] = [status.ABORTED, status.RESOURCE_EXHAUSTED, status.UNAVAILABLE];

/** Calls a CSI controller as the sidecars do: again and again, where that may help. */
function createPatientClient(client: CsiClient, { parameters, secrets }: Target) {
  const repeated = new Map<string, number>();

  async function untilDone<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        const code = (error as { readonly code?: number }).code ?? status.UNKNOWN;
        if (!REPEATABLE.includes(code)) throw error;
        const name = status[code] ?? String(code);
        repeated.set(name, (repeated.get(name) ?? 0) + 1);
        await sleep(PAUSE);
      }
    }
  }

  return {
    repeated,
    async createVolume(name: string, snapshotId?: string): Promise<string> {
      const request = {
        name,
        parameters,
        secrets,
        capacity_range: { required_bytes: SIZE },
        volume_capabilities: [{ mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } }],
        ...(snapshotId === undefined
          ? {}
          : { volume_content_source: { snapshot: { snapshot_id: snapshotId } } }),
      };
      const { volume } = await untilDone(() => client.call(csi.Controller.CreateVolume, request, options));
      return volume?.volume_id ?? '';
    },
    async createSnapshot(name: string, source_volume_id: string): Promise<string> {
      const request = { name, source_volume_id, secrets };
      const { snapshot } = await untilDone(() =>
        client.call(csi.Controller.CreateSnapshot, request, options),
      );
      return snapshot?.snapshot_id ?? '';
    },
    async deleteSnapshot(snapshot_id: string): Promise<void> {
      await untilDone(() => client.call(csi.Controller.DeleteSnapshot, { snapshot_id, secrets }, options));
    },
    async deleteVolume(volume_id: string): Promise<void> {
      await untilDone(() => client.call(csi.Controller.DeleteVolume, { volume_id, secrets }, options));
    },
  };
}

/**
 * Takes a snapshot of one volume, restores it and deletes the snapshot, `count` times, with all restored volumes kept
 * until the end: each holds a snapshot of the volume alive, and Ceph allows only so many. Then everything is deleted.
 */
export async function runRestoreLoop(target: Target, count: number): Promise<LoopResult> {
  const client = createClient(target.endpoint);
  const patient = createPatientClient(client, target);
  const run = `loop-${process.pid}-${Date.now().toString(36)}`;
  const started = performance.now();
  try {
    const golden = await patient.createVolume(run);
    const volumes = [golden];
    const indexes = Array.from({ length: count }, (_, index) => index).values();
    const work = async () => {
      for (const index of indexes) {
        const snapshot = await patient.createSnapshot(`${run}-${index}`, golden);
        volumes.push(await patient.createVolume(`${run}-restored-${index}`, snapshot));
        await patient.deleteSnapshot(snapshot);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    for (const volumeId of volumes) await patient.deleteVolume(volumeId);
  } finally {
    client.close();
  }
  return { restores: count, repeated: patient.repeated, seconds: (performance.now() - started) / 1000 };
}
