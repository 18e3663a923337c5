import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { mountCapability } from '../../../dev/driver/requests.ts';
import type { VolumeContentSource } from '../../../src/gen/csi/v1/VolumeContentSource.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { requireVolumePlace } from '../../../src/rbd/places.ts';
import { rbd, values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';
import { eventually } from './fixture.ts';

const { secrets } = values.rbd;
const driver = useDriver();

interface Wish {
  readonly parameters?: Record<string, string>;
  readonly mutable_parameters?: Record<string, string>;
  readonly volume_content_source?: VolumeContentSource;
}

async function createVolume(name: string, wish: Wish): Promise<string> {
  const { volume } = await driver.rbd.call(csi.Controller.CreateVolume, {
    name,
    capacity_range: { required_bytes: 64 * 1024 * 1024 },
    volume_capabilities: [mountCapability()],
    secrets,
    ...wish,
    parameters: { ...values.rbd.parameters, ...wish.parameters },
  });
  return volume?.volume_id ?? '';
}

async function modify(volumeId: string, mutable_parameters: Record<string, string>): Promise<void> {
  const request = { volume_id: volumeId, mutable_parameters, secrets };
  await driver.rbd.call(csi.Controller.ControllerModifyVolume, request);
}

async function deleteVolume(volumeId: string): Promise<void> {
  await driver.rbd.call(csi.Controller.DeleteVolume, { volume_id: volumeId, secrets });
}

function specOf(volumeId: string): string {
  const { pool, image } = requireVolumePlace(volumeId);
  return `${pool}/${image}`;
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** The limits that are set at the image itself. */
async function readLimits(volumeId: string): Promise<Record<string, string>> {
  const listed = await rbd('config', 'image', 'list', specOf(volumeId), '--format', 'json');
  const options = JSON.parse(listed) as readonly Option[];
  const own = options.filter(({ name, source }) => name.startsWith('rbd_qos_') && source === 'image');
  return Object.fromEntries(own.map(({ name, value }) => [name, value]));
}

it('a volume is made with limits, and they are changed and taken away', async () => {
  const mutable_parameters = { maxIops: '100', maxWriteBps: '10M', maxReadIops: '0' };
  const volumeId = await createVolume('limited', { mutable_parameters });
  expect(await createVolume('limited', { mutable_parameters })).toBe(volumeId);
  expect(await readLimits(volumeId)).toEqual({
    rbd_qos_iops_limit: '100',
    rbd_qos_write_bps_limit: '10485760',
  });
  const changes = { maxIops: '0', maxReadIops: '7' };
  for (const attempt of ['first', 'again']) {
    await modify(volumeId, changes);
    expect(await readLimits(volumeId), attempt).toEqual({
      rbd_qos_read_iops_limit: '7',
      rbd_qos_write_bps_limit: '10485760',
    });
  }
  await modify(volumeId, {});
  await expect(modify(volumeId, { maxFun: '1' })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('maxWriteBps') as string,
  });
  await deleteVolume(volumeId);
  await expect(modify(volumeId, changes)).rejects.toMatchObject({ code: status.NOT_FOUND });
});

it('a restored volume and a clone have the limits that they are made with, not those of their source', async () => {
  const sourceId = await createVolume('limited-source', {
    mutable_parameters: { maxIops: '100', maxBps: '1G', maxReadIops: '9' },
  });
  const request = { source_volume_id: sourceId, name: 'limited', secrets };
  const { snapshot } = await driver.rbd.call(csi.Controller.CreateSnapshot, request);
  const snapshot_id = snapshot?.snapshot_id ?? '';
  const restoredId = await createVolume('limited-restored', {
    mutable_parameters: { maxIops: '50', maxReadIops: '0' },
    volume_content_source: { snapshot: { snapshot_id } },
  });
  const cloneId = await createVolume('limited-clone', {
    volume_content_source: { volume: { volume_id: sourceId } },
  });
  expect(await readLimits(restoredId)).toEqual({ rbd_qos_iops_limit: '50' });
  expect(await readLimits(cloneId)).toEqual({});
  await driver.rbd.call(csi.Controller.DeleteSnapshot, { snapshot_id, secrets });
  for (const volumeId of [restoredId, cloneId, sourceId]) await deleteVolume(volumeId);
});

async function describeImage(volumeId: string): Promise<{ features: string[]; flags: string[] }> {
  const info = JSON.parse(await rbd('info', specOf(volumeId), '--format', 'json')) as {
    features: string[];
    flags: string[];
  };
  return { features: info.features.sort(), flags: info.flags };
}

it('a volume gets features and loses them, and its object map is right in the end', async () => {
  const volumeId = await createVolume('features', {
    parameters: { imageFeatures: 'layering,exclusive-lock,journaling' },
    mutable_parameters: { imageFeatures: 'layering,exclusive-lock' },
  });
  expect((await describeImage(volumeId)).features).toEqual(['exclusive-lock', 'layering']);
  const sizes = ['--io-size', '4M', '--io-total', '8M'];
  await rbd('bench', '--io-type', 'write', '--io-pattern', 'seq', ...sizes, specOf(volumeId));
  await modify(volumeId, { imageFeatures: 'layering,exclusive-lock,object-map,fast-diff' });
  const features = ['exclusive-lock', 'fast-diff', 'layering', 'object-map'];
  await eventually(async () => {
    expect(await describeImage(volumeId)).toEqual({ features, flags: [] });
  });
  await modify(volumeId, { imageFeatures: 'layering' });
  expect((await describeImage(volumeId)).features).toEqual(['layering']);
  await expect(modify(volumeId, { imageFeatures: 'layering,deep-flatten' })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('deep-flatten') as string,
  });
  await deleteVolume(volumeId);
});

it('librbd keeps to a limit', async () => {
  const volumeId = await createVolume('slow', { mutable_parameters: { maxWriteIops: '10' } });
  const started = performance.now();
  const sizes = ['--io-size', '4K', '--io-total', '200K'];
  await rbd('bench', '--io-type', 'write', '--io-pattern', 'seq', ...sizes, specOf(volumeId));
  // 50 writes, at most 10 a second, of which the first second's may come at once.
  expect(performance.now() - started).toBeGreaterThan(2_000);
  await deleteVolume(volumeId);
});

it("a class that asks for the kernel's client, which knows no limits, has none", async () => {
  const wish = { parameters: { mounter: 'rbd' }, mutable_parameters: { maxIops: '1' } };
  await expect(createVolume('kernel', wish)).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('mounter') as string,
  });
  await deleteVolume(await createVolume('kernel', { ...wish, mutable_parameters: { maxIops: '0' } }));
});
