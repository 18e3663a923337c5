import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.ts';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import type { CsiClient } from '../../src/grpc/client.ts';
import { csi } from '../../src/grpc/contract.ts';
import type { RequestValues } from '../driver/requests.ts';
import type { Narrator } from './narrator.ts';

/** Milliseconds for one call. */
const CALL_BOUND = 120_000;

export interface VolumeLifeOptions {
  readonly client: CsiClient;
  readonly values: RequestValues['rbd' | 'cephfs'];
  readonly name: string;
  readonly capability: VolumeCapability;
  /** What NodeStageVolume does here, in words. */
  readonly staging: string;
  /** Where the volume is staged and published. */
  readonly directory: string;
  readonly narrator: Narrator;
  /** Aborted when the person has seen enough. */
  readonly signal: AbortSignal;
}

/** The calls that Kubernetes makes in the life of one volume, each a step of the story. */
export interface VolumeLife {
  create(bytes: bigint): Promise<void>;
  stage(): Promise<void>;
  /** @returns the path that a container would see. */
  publish(target: string): Promise<string>;
  expand(bytes: bigint, path: string): Promise<void>;
  /** Undoes whatever was done of the above, and only that. */
  end(): Promise<void>;
}

const GIBIBYTE = 1024n ** 3n;

export function createVolumeLife(options: VolumeLifeOptions): VolumeLife {
  const { client, values, name, capability, narrator } = options;
  const staging = join(options.directory, 'staging');
  const call = { timeout: CALL_BOUND, signal: options.signal };
  /** What is undone at the end is undone although the story was broken off. */
  const finalCall = { timeout: CALL_BOUND };
  const undo: (() => Promise<void>)[] = [];
  let volume: Volume__Output | undefined;

  function requireVolume(): Volume__Output {
    if (volume === undefined) throw new Error(`the volume "${name}" was not created`);
    return volume;
  }
  const volumeId = () => requireVolume().volume_id;

  return {
    async create(bytes) {
      undo.push(async () => {
        if (volume === undefined) return;
        const request = { volume_id: volumeId(), secrets: values.secrets };
        await narrator.step('DeleteVolume', () =>
          client.call(csi.Controller.DeleteVolume, request, finalCall),
        );
      });
      const response = await narrator.step(`CreateVolume "${name}", ${bytes / GIBIBYTE} GiB`, () =>
        client.call(
          csi.Controller.CreateVolume,
          {
            name,
            capacity_range: { required_bytes: String(bytes) },
            volume_capabilities: [capability],
            parameters: values.parameters,
            secrets: values.secrets,
          },
          call,
        ),
      );
      volume = response.volume ?? undefined;
      narrator.show(`volume_id: ${volumeId()}`);
    },

    async stage() {
      await mkdir(staging, { recursive: true });
      const place = { volume_id: volumeId(), staging_target_path: staging };
      undo.push(async () => {
        await narrator.step('NodeUnstageVolume', () =>
          client.call(csi.Node.NodeUnstageVolume, place, finalCall),
        );
      });
      await narrator.step(`NodeStageVolume: ${options.staging}`, () =>
        client.call(
          csi.Node.NodeStageVolume,
          {
            ...place,
            volume_capability: capability,
            volume_context: requireVolume().volume_context,
            secrets: values.nodeSecrets,
          },
          call,
        ),
      );
    },

    async publish(target) {
      const place = { volume_id: volumeId(), target_path: join(options.directory, target) };
      undo.push(async () => {
        await narrator.step(`NodeUnpublishVolume "${target}"`, () =>
          client.call(csi.Node.NodeUnpublishVolume, place, finalCall),
        );
      });
      await narrator.step(`NodePublishVolume "${target}": where a Pod sees it`, () =>
        client.call(
          csi.Node.NodePublishVolume,
          {
            ...place,
            staging_target_path: staging,
            volume_capability: capability,
            volume_context: requireVolume().volume_context,
            secrets: values.nodeSecrets,
          },
          call,
        ),
      );
      return place.target_path;
    },

    async expand(bytes, path) {
      const range = { volume_id: volumeId(), capacity_range: { required_bytes: String(bytes) } };
      const request = { ...range, volume_capability: capability, secrets: values.secrets };
      const response = await narrator.step(`ControllerExpandVolume to ${bytes / GIBIBYTE} GiB`, () =>
        client.call(csi.Controller.ControllerExpandVolume, request, call),
      );
      if (!response.node_expansion_required) return;
      const nodeRequest = { ...range, volume_path: path, staging_target_path: staging };
      await narrator.step('NodeExpandVolume: grow the file system while it is mounted', () =>
        client.call(csi.Node.NodeExpandVolume, { ...nodeRequest, volume_capability: capability }, call),
      );
    },

    async end() {
      for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
      await rm(options.directory, { recursive: true, force: true });
    },
  };
}

const GREETING = 'greeting.txt';

/** Writes a file as a Pod would. */
export async function writeGreeting(path: string, text: string, narrator: Narrator): Promise<void> {
  await narrator.step('write a file', () => writeFile(join(path, GREETING), `${text}\n`, { flush: true }));
}

/** Shows the file that was written, and how large the mounted volume is. */
export async function showContent(path: string, narrator: Narrator): Promise<void> {
  const file = join(path, GREETING);
  narrator.show(`$ cat ${file}\n${await readFile(file, 'utf8')}`);
  const args = ['-h', '--output=fstype,size,used,avail', path];
  const { stdout } = await promisify(execFile)('df', args);
  narrator.show(`$ df ${args.join(' ')}\n${stdout}`);
}
