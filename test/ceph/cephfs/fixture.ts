import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountCapability } from '../../../dev/driver/requests.ts';
import type { Snapshot__Output as Snapshot } from '../../../src/gen/csi/v1/Snapshot.ts';
import type { Volume__Output as Volume } from '../../../src/gen/csi/v1/Volume.ts';
import type { CreateVolumeRequest } from '../../../src/gen/csi/v1/CreateVolumeRequest.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { values } from '../harness/cluster.ts';
import type { TestDriver } from '../harness/driver.ts';

export const MIB = 1024 * 1024;
/** Milliseconds for what takes a moment on a machine that is busy with other things. */
const BOUND = 300_000;

const { parameters, secrets, nodeSecrets } = values.cephfs;
const capability = mountCapability('MULTI_NODE_MULTI_WRITER');

/** A volume that is mounted somewhere, as a node has it. */
export interface Staged {
  readonly path: string;
  readonly unstage: () => Promise<void>;
}

const REPEATED: readonly unknown[] = [status.ABORTED, status.DEADLINE_EXCEEDED, status.UNAVAILABLE];

/**
 * Repeats a call as Kubernetes does, as long as it is answered that it may come right. A client that was killed lets
 * Ceph wait for it for a minute or two.
 */
export async function untilSettled<T>(call: () => Promise<T>): Promise<T> {
  const end = Date.now() + BOUND;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (!REPEATED.includes(code) || Date.now() > end) throw error;
      await sleep(500);
    }
  }
}

/** The calls of a driver with what Kubernetes would put into them. */
export function createCalls(driver: TestDriver) {
  async function create(name: string, wish: Partial<CreateVolumeRequest> = {}): Promise<Volume> {
    const request: CreateVolumeRequest = {
      name,
      capacity_range: { required_bytes: 64 * MIB },
      volume_capabilities: [capability],
      parameters,
      secrets,
      ...wish,
    };
    const answer = await untilSettled(() => driver.cephfs.call(csi.Controller.CreateVolume, request));
    if (answer.volume === null) throw new Error('the answer has no volume');
    return answer.volume;
  }

  async function remove({ volume_id }: Pick<Volume, 'volume_id'>): Promise<void> {
    await untilSettled(() => driver.cephfs.call(csi.Controller.DeleteVolume, { volume_id, secrets }));
  }

  async function expand({ volume_id }: Volume, bytes: number): Promise<void> {
    const capacity_range = { required_bytes: bytes };
    await driver.cephfs.call(csi.Controller.ControllerExpandVolume, { volume_id, capacity_range, secrets });
  }

  async function snapshot(name: string, { volume_id }: Volume): Promise<Snapshot> {
    const request = { name, source_volume_id: volume_id, secrets };
    const answer = await driver.cephfs.call(csi.Controller.CreateSnapshot, request);
    if (answer.snapshot === null) throw new Error('there is no snapshot');
    return answer.snapshot;
  }

  async function removeSnapshot({ snapshot_id }: Snapshot): Promise<void> {
    await driver.cephfs.call(csi.Controller.DeleteSnapshot, { snapshot_id, secrets });
  }

  /** All snapshots that the driver tells of. */
  async function listSnapshots(): Promise<readonly Snapshot[]> {
    const { entries } = await driver.cephfs.call(csi.Controller.ListSnapshots, {});
    return entries.flatMap(entry => entry.snapshot ?? []);
  }

  /** The IDs of all volumes that the driver tells of. */
  async function listVolumes(): Promise<readonly string[]> {
    const { entries } = await driver.cephfs.call(csi.Controller.ListVolumes, {});
    return entries.flatMap(entry => entry.volume?.volume_id ?? []);
  }

  /** Stages a volume at a path of its own; `where` tells two nodes apart. */
  async function stage(
    { volume_id, volume_context }: Volume,
    where: string,
    mode: Parameters<typeof mountCapability>[0] = 'MULTI_NODE_MULTI_WRITER',
    ownSecrets: Record<string, string> = nodeSecrets,
  ): Promise<Staged> {
    const path = join(driver.directory, where);
    // A dead mount cannot even be looked at; what is mounted already needs no directory.
    await mkdir(path).catch(() => undefined);
    const at = { volume_id, staging_target_path: path };
    await driver.cephfs.call(csi.Node.NodeStageVolume, {
      ...at,
      volume_context,
      volume_capability: mountCapability(mode),
      secrets: ownSecrets,
    });
    return {
      path,
      unstage: async () => {
        await driver.cephfs.call(csi.Node.NodeUnstageVolume, at);
      },
    };
  }

  return { create, remove, expand, snapshot, removeSnapshot, listSnapshots, listVolumes, stage };
}

/** The content source of a request. */
export const fromSnapshot = ({ snapshot_id }: Snapshot) => ({
  volume_content_source: { snapshot: { snapshot_id } },
});
export const fromVolume = ({ volume_id }: Volume) => ({ volume_content_source: { volume: { volume_id } } });
