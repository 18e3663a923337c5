import { describe, expect, test } from 'vitest';
import { createIdentityService } from '../../src/identity/service.ts';
import type { IdentityOptions } from '../../src/identity/service.ts';
import { DriverError } from '../../src/model/errors.ts';
import { createTestCall } from '../grpc/test-call.ts';

const call = createTestCall('Probe').call;

function createService(options: Partial<IdentityOptions> = {}) {
  return createIdentityService({
    name: 'rbd.csi.ceph.com',
    version: '1.2.3',
    capabilities: { listServices: () => Promise.resolve([]), onlineExpansion: false },
    isReady: () => Promise.resolve(true),
    ...options,
  });
}

describe('Identity', () => {
  test('tells the driver by name and version', async () => {
    const info = await createService().GetPluginInfo({}, call);
    expect(info).toEqual({ name: 'rbd.csi.ceph.com', vendor_version: '1.2.3' });
  });

  test('advertises what the endpoint serves, and online expansion', async () => {
    const service = createService({
      capabilities: {
        listServices: () => Promise.resolve(['CONTROLLER_SERVICE', 'GROUP_CONTROLLER_SERVICE']),
        onlineExpansion: true,
      },
    });
    expect(await service.GetPluginCapabilities({}, call)).toEqual({
      capabilities: [
        { service: { type: 'CONTROLLER_SERVICE' } },
        { service: { type: 'GROUP_CONTROLLER_SERVICE' } },
        { volume_expansion: { type: 'ONLINE' } },
      ],
    });
  });

  test('a node endpoint advertises nothing', async () => {
    expect(await createService().GetPluginCapabilities({}, call)).toEqual({ capabilities: [] });
  });

  test.each([true, false])('answers Probe with the readiness: %s', async ready => {
    const service = createService({ isReady: () => Promise.resolve(ready) });
    expect(await service.Probe({}, call)).toEqual({ ready: { value: ready } });
  });

  test('passes on why the driver cannot become ready', async () => {
    const reason = new DriverError('failed-precondition', 'the program rbd is not installed here');
    const service = createService({ isReady: () => Promise.reject(reason) });
    await expect(service.Probe({}, call)).rejects.toBe(reason);
  });
});
