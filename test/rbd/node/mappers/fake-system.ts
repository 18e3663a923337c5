import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Exec } from '../../../../src/exec/command.ts';
import { Secret } from '../../../../src/model/secret.ts';
import type { Host } from '../../../../src/mount/host.ts';
import type { ImageNeeds, MapRequest, NodeImage } from '../../../../src/rbd/node/mappers/mapper.ts';
import { createTestContext } from '../../../exec/fake-exec.ts';

/** An image that any mapper can map. */
export const NO_NEEDS: ImageNeeds = { features: [], listLimits: () => Promise.resolve([]) };

/** A directory of the test's own, gone when the test is over. */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'csi-rbd-node-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes files, each with a line break behind its text as sysfs has it. */
export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
}

/** What the kernel shows of one krbd mapping. */
export function kernelDevice(
  number: number,
  device: {
    readonly pool?: string;
    readonly namespace?: string;
    readonly image: string;
    readonly imageId: string;
    readonly snapshot?: string;
    readonly readOnly?: boolean;
  },
): Readonly<Record<string, string>> {
  const directory = `bus/rbd/devices/${number}`;
  return {
    [`${directory}/pool`]: device.pool ?? 'rbd',
    [`${directory}/pool_ns`]: device.namespace ?? '',
    [`${directory}/name`]: device.image,
    [`${directory}/image_id`]: device.imageId,
    [`${directory}/current_snap`]: device.snapshot ?? '-',
    [`${directory}/refresh`]: '',
    [`block/rbd${number}/ro`]: device.readOnly === true ? '1' : '0',
  };
}

export const IMAGE: NodeImage & { readonly imageId: string } = {
  volumeId: 'rbd1/ceph/rbd/csi-vol-a',
  clusterId: 'ceph',
  pool: 'rbd',
  image: 'csi-vol-a',
  imageId: '10226b8b4567',
};

export function mapRequest(changes: Partial<MapRequest> = {}): MapRequest {
  return {
    ...IMAGE,
    connection: { monitors: ['10.0.0.1:6789'], userId: 'csi-node', key: new Secret('c2VjcmV0') },
    readOnly: false,
    options: [],
    ...changes,
  };
}

export function hostOf(exec: Exec): Host {
  return { exec, context: createTestContext() };
}
