import { chmodSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { createNbdMapper } from '../../../../src/rbd/node/mappers/nbd.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../../../exec/fake-exec.ts';
import { hostOf, IMAGE, makeDirectory, NO_NEEDS, mapRequest, writeFiles } from './fake-system.ts';

const NBD = { 'block/nbd0/ro': '0', 'block/nbd3/ro': '1' };

function setUp(script: readonly ScriptedCall[], files: Readonly<Record<string, string>> = NBD) {
  const sysfs = makeDirectory();
  writeFiles(sysfs, { ...files, 'bin/rbd-nbd': '#!/bin/false' });
  chmodSync(join(sysfs, 'bin/rbd-nbd'), 0o755);
  vi.stubEnv('PATH', [join(sysfs, 'bin'), process.env['PATH']].join(delimiter));
  const fake = createFakeExec(script);
  const mapper = createNbdMapper({ exec: fake.exec, sysfs, proc: join(sysfs, 'proc') });
  return { fake, mapper, host: hostOf(fake.exec) };
}

/** As rbd-nbd 16.2 prints it. */
function listing(
  ...devices: readonly { image: string; device: string; snap?: string; namespace?: string }[]
) {
  const entries = devices.map(({ image, device, snap, namespace }, index) => ({
    ...{
      id: String(1000 + index),
      pool: 'rbd',
      namespace: namespace ?? '',
      image,
      snap: snap ?? '-',
      device,
    },
    cookie: '',
  }));
  return { argv: ['rbd-nbd', 'list-mapped', '--format', 'json'], stdout: JSON.stringify(entries) };
}

describe('nbd', () => {
  it('maps with rbd-nbd', async () => {
    const { mapper, host, fake } = setUp([
      { argv: ['rbd-nbd', 'map', 'rbd/csi-vol-a'], stdout: '/dev/nbd0\n' },
    ]);
    expect(await mapper.map(mapRequest(), host)).toEqual({ device: '/dev/nbd0', readOnly: false });
    fake.expectAllUsed();
  });

  it('maps read-only, in a namespace, with the options of the class', async () => {
    const { mapper, host, fake } = setUp([
      {
        argv: ['rbd-nbd', 'map', '--read-only', '--io-timeout=60', '--quiesce', 'rbd/tenant/csi-vol-a'],
        stdout: '/dev/nbd1\n',
      },
    ]);
    const options = ['io-timeout=60', 'quiesce'];
    await mapper.map(mapRequest({ namespace: 'tenant', readOnly: true, options }), host);
    fake.expectAllUsed();
  });

  it('finds what is mapped', async () => {
    const { mapper, host } = setUp([
      listing(
        { image: 'csi-vol-b', device: '/dev/nbd0' },
        { image: 'csi-vol-a', device: '/dev/nbd1', snap: 'snap' },
        { image: 'csi-vol-a', device: '/dev/nbd2', namespace: 'tenant' },
        { image: 'csi-vol-a', device: '/dev/nbd3' },
      ),
    ]);
    expect(await mapper.find(IMAGE, host)).toEqual({ device: '/dev/nbd3', readOnly: true });
  });

  it('finds the image of its own cluster, where two have the same names', async () => {
    const { mapper, host, fake } = setUp(
      [
        listing({ image: 'csi-vol-a', device: '/dev/nbd0' }, { image: 'csi-vol-a', device: '/dev/nbd3' }),
        { argv: ['rbd-nbd', 'map', 'rbd/csi-vol-a'], stdout: '/dev/nbd0\n' },
      ],
      {
        ...NBD,
        'proc/1000/environ': 'LC_ALL=C\0CSI_DRIVER_CEPH_CLUSTER=other\0',
        'proc/1001/environ': `LC_ALL=C\0CSI_DRIVER_CEPH_CLUSTER=${IMAGE.clusterId}\0`,
      },
    );
    expect(await mapper.find(IMAGE, host)).toEqual({ device: '/dev/nbd3', readOnly: true });
    await mapper.map(mapRequest(), host);
    expect(fake.commands.at(-1)?.env).toEqual({ CSI_DRIVER_CEPH_CLUSTER: IMAGE.clusterId });
  });

  it('runs no program where the kernel has no nbd', async () => {
    const { mapper, host } = setUp([], {});
    expect(await mapper.find(IMAGE, host)).toBeUndefined();
  });

  it('finds nothing when nothing is mapped', async () => {
    const { mapper, host } = setUp([{ argv: ['rbd-nbd', 'list-mapped', '--format', 'json'] }]);
    expect(await mapper.find(IMAGE, host)).toBeUndefined();
  });

  it('unmaps by device', async () => {
    const { mapper, host, fake } = setUp([
      listing({ image: 'csi-vol-a', device: '/dev/nbd0' }),
      { argv: ['sync', '/dev/nbd0'] },
      { argv: ['rbd-nbd', 'unmap', '--force', '/dev/nbd0'] },
    ]);
    await mapper.unmap(IMAGE, ['force'], host);
    fake.expectAllUsed();
  });

  it('keeps a device whose last writes cannot be written back', async () => {
    const { mapper, host, fake } = setUp([
      listing({ image: 'csi-vol-a', device: '/dev/nbd0' }),
      { argv: ['sync', '/dev/nbd0'], exitCode: 1, stderr: 'Input/output error\n' },
    ]);
    await expect(mapper.unmap(IMAGE, [], host)).rejects.toThrow(/Input\/output error/);
    fake.expectAllUsed();
  });

  it('is content when somebody else unmapped meanwhile', async () => {
    const { mapper, host, fake } = setUp([
      listing({ image: 'csi-vol-a', device: '/dev/nbd0' }),
      { argv: ['sync', '/dev/nbd0'] },
      { argv: ['rbd-nbd', 'unmap', '/dev/nbd0'], exitCode: 22 },
      listing(),
    ]);
    await mapper.unmap(IMAGE, [], host);
    fake.expectAllUsed();
  });

  it('says why a node cannot', async () => {
    const { mapper } = setUp([{ argv: ['modprobe', 'nbd'], exitCode: 1, stderr: 'not found\n' }], {});
    expect(await mapper.findObstacle(NO_NEEDS, createTestContext())).toMatch(/modprobe nbd says: not found/);
  });
});
