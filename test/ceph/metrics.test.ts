import { expect, test } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { readSample } from '../metrics/scrape.ts';
import { mountCapability } from '../../dev/driver/requests.ts';
import { values } from './harness/cluster.ts';
import { useDriver } from './harness/driver.ts';

const driver = useDriver({ flags: ['--metrics-address', '127.0.0.1:0'] });

async function scrape(): Promise<string> {
  const url = /"url":"([^"]+)"/.exec(driver.output())?.[1];
  if (url === undefined) throw new Error('the driver has not said where its metrics are');
  return await (await fetch(url)).text();
}

test('a driver at work tells of its calls, what it asks of Ceph, and what it has still to do', async () => {
  const request = {
    name: 'metrics',
    capacity_range: { required_bytes: '67108864' },
    volume_capabilities: [mountCapability()],
    ...values.rbd,
  };
  const { volume } = await driver.rbd.call(csi.Controller.CreateVolume, request);
  const misspelt = driver.rbd.call(csi.Controller.CreateVolume, { ...request, parameters: { poool: 'rbd' } });
  await expect(misspelt).rejects.toThrow('poool');
  const text = await scrape();
  const calls = (code: string) =>
    readSample(text, 'csi_driver_ceph_call_duration_seconds_count', {
      driver: 'rbd.csi-driver-ceph.io',
      method: 'CreateVolume',
      code,
    });
  expect([calls('OK'), calls('INVALID_ARGUMENT')]).toEqual([1, 1]);
  const operations = 'csi_driver_ceph_operation_duration_seconds_count';
  expect(readSample(text, operations, { code: '0' })).toBeGreaterThan(0);
  for (const name of ['locks_held', 'purges_pending', 'flattenings_pending']) {
    expect(readSample(text, `csi_driver_ceph_${name}`, { driver: 'rbd.csi-driver-ceph.io' })).toBe(0);
  }
  await driver.rbd.call(csi.Controller.DeleteVolume, {
    volume_id: volume?.volume_id ?? '',
    secrets: values.rbd.secrets,
  });
});
