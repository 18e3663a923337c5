import { csi } from '../src/grpc/contract.ts';
import { createClient } from '../src/grpc/client.ts';

/** What a load is made with: any CSI driver, any class. */
export interface Target {
  /** `unix:///path` or `tcp://host:port` of the controller. */
  readonly endpoint: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  /** Those of a VolumeSnapshotClass. Default: none. */
  readonly snapshotParameters?: Readonly<Record<string, string>>;
}

/** A snapshot or a volume, by its ID. */
export type Source = { readonly snapshot: string } | { readonly volume: string };

/** The calls of a controller that a load consists of; each rejects with the error of grpc-js. */
export interface Calls {
  /** Each gives the ID of what it made. */
  createVolume(name: string, source?: Source): Promise<string>;
  createSnapshot(name: string, volumeId: string): Promise<string>;
  expandVolume(volumeId: string): Promise<void>;
  deleteSnapshot(snapshotId: string): Promise<void>;
  deleteVolume(volumeId: string): Promise<void>;
  close(): void;
}

/** Bytes of a new volume; it grows to twice that. Nothing is written to volumes. */
export const SIZE = 1024 ** 3;
/** Milliseconds for one call. */
const CALL_TIMEOUT = 120_000;

function contentSource(source: Source): object {
  return 'snapshot' in source
    ? { snapshot: { snapshot_id: source.snapshot } }
    : { volume: { volume_id: source.volume } };
}

export function createCalls({ endpoint, parameters, secrets, snapshotParameters = {} }: Target): Calls {
  const client = createClient(endpoint);
  const options = { timeout: CALL_TIMEOUT };
  return {
    async createVolume(name, source) {
      const request = {
        name,
        parameters,
        secrets,
        capacity_range: { required_bytes: SIZE },
        volume_capabilities: [{ mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } }],
        ...(source === undefined ? {} : { volume_content_source: contentSource(source) }),
      };
      const { volume } = await client.call(csi.Controller.CreateVolume, request, options);
      return volume?.volume_id ?? '';
    },
    async createSnapshot(name, source_volume_id) {
      const request = { name, source_volume_id, parameters: snapshotParameters, secrets };
      const { snapshot } = await client.call(csi.Controller.CreateSnapshot, request, options);
      return snapshot?.snapshot_id ?? '';
    },
    async expandVolume(volume_id) {
      const request = { volume_id, secrets, capacity_range: { required_bytes: 2 * SIZE } };
      await client.call(csi.Controller.ControllerExpandVolume, request, options);
    },
    async deleteSnapshot(snapshot_id) {
      await client.call(csi.Controller.DeleteSnapshot, { snapshot_id, secrets }, options);
    },
    async deleteVolume(volume_id) {
      await client.call(csi.Controller.DeleteVolume, { volume_id, secrets }, options);
    },
    close: () => client.close(),
  };
}
