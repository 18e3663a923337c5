import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { mountCapability } from '../../../dev/driver/requests.ts';
import type { Volume__Output } from '../../../src/gen/csi/v1/Volume.ts';
import { csi } from '../../../src/grpc/contract.ts';
import { requireVolumePlace } from '../../../src/rbd/places.ts';
import { cluster, values } from '../harness/cluster.ts';
import { useDriver } from '../harness/driver.ts';

const { secrets } = values.rbd;
const driver = useDriver();

const KEY = 'topology.rbd.csi-driver-ceph.io/zone';
const topologyOf = (zone: string) => ({ segments: { [KEY]: zone } });
const poolOf = (poolName: string, zone: string) => ({
  poolName,
  dataPool: cluster.pools.erasureCoded,
  domainSegments: [{ domainLabel: 'zone', value: zone }],
});
const parameters = {
  ...values.rbd.parameters,
  topologyConstrainedPools: JSON.stringify([
    poolOf('no-such-pool', 'west'),
    poolOf(cluster.pools.replicated, 'east'),
  ]),
};

async function createVolume(zones: readonly string[]): Promise<Volume__Output> {
  const { volume } = await driver.rbd.call(csi.Controller.CreateVolume, {
    name: 'somewhere',
    capacity_range: { required_bytes: 64 * 1024 * 1024 },
    volume_capabilities: [mountCapability()],
    secrets,
    parameters,
    accessibility_requirements: { requisite: zones.map(topologyOf), preferred: zones.map(topologyOf) },
  });
  if (volume === null) throw new Error('CreateVolume answered without a volume');
  return volume;
}

async function readCapacity(zone: string): Promise<bigint> {
  const query = { parameters, accessible_topology: topologyOf(zone) };
  return BigInt((await driver.rbd.call(csi.Controller.GetCapacity, query)).available_capacity);
}

it('a volume is made in the pool of its zone, and found there when another zone would do, too', async () => {
  const volume = await createVolume(['east']);
  expect(requireVolumePlace(volume.volume_id)).toMatchObject({ pool: cluster.pools.replicated });
  expect(volume.accessible_topology).toEqual([topologyOf('east')]);
  expect(await createVolume(['west', 'east'])).toEqual(volume);
  await expect(createVolume(['west'])).rejects.toMatchObject({
    code: status.ALREADY_EXISTS,
    details: expect.stringContaining(cluster.pools.replicated) as string,
  });
  await driver.rbd.call(csi.Controller.DeleteVolume, { volume_id: volume.volume_id, secrets });
  await expect(createVolume(['south'])).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringContaining('"south"') as string,
  });
});

it('a zone has the capacity of its pool', async () => {
  expect(await readCapacity('east')).toBeGreaterThan(0n);
  expect(await readCapacity('south')).toBe(0n);
});
