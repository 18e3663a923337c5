import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createKernelMapper } from '../../../../src/rbd/node/mappers/krbd.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../../../exec/fake-exec.ts';
import {
  hostOf,
  IMAGE,
  kernelDevice,
  makeDirectory,
  NO_NEEDS,
  mapRequest,
  writeFiles,
} from './fake-system.ts';

function setUp(script: readonly ScriptedCall[], files: Readonly<Record<string, string>> = {}) {
  const sysfs = makeDirectory();
  writeFiles(sysfs, files);
  const fake = createFakeExec(script);
  const dependencies = { exec: fake.exec, sysfs, udevSocket: join(sysfs, 'udev') };
  return { sysfs, fake, mapper: createKernelMapper(dependencies), host: hostOf(fake.exec) };
}

function anyArguments(count: number): readonly RegExp[] {
  return Array.from({ length: count + 1 }, () => /./);
}

describe('krbd', () => {
  it('maps without waiting for an udev that is not there', async () => {
    const { mapper, host, fake } = setUp([
      {
        argv: ['rbd', 'device', 'map', '--device-type', 'krbd', '--options', 'noudev', 'rbd/csi-vol-a'],
        stdout: '/dev/rbd3\n',
      },
    ]);
    expect(await mapper.map(mapRequest(), host)).toEqual({ device: '/dev/rbd3', readOnly: false });
    fake.expectAllUsed();
  });

  it('maps read-only, in a namespace, with the options of the class', async () => {
    const { mapper, host, fake, sysfs } = setUp([
      {
        argv: [
          ...['rbd', 'device', 'map', '--device-type', 'krbd', '--read-only'],
          ...['--options', 'rxbounce,queue_depth=64', 'rbd/tenant/csi-vol-a'],
        ],
        stdout: '/dev/rbd0\n',
      },
    ]);
    writeFiles(sysfs, { udev: '' });
    const request = mapRequest({
      namespace: 'tenant',
      readOnly: true,
      options: ['rxbounce', 'queue_depth=64'],
    });
    expect(await mapper.map(request, host)).toEqual({ device: '/dev/rbd0', readOnly: true });
    fake.expectAllUsed();
  });

  it('reads from the nearest replica, unless the class says otherwise', async () => {
    const fake = createFakeExec([
      {
        argv: [
          ...['rbd', 'device', 'map', '--device-type', 'krbd', '--options'],
          'noudev,crush_location=zone:a,read_from_replica=balance',
          'rbd/csi-vol-a',
        ],
        stdout: '/dev/rbd0\n',
      },
    ]);
    const sysfs = makeDirectory();
    const mapper = createKernelMapper({
      exec: fake.exec,
      sysfs,
      udevSocket: join(sysfs, 'udev'),
      readAffinity: () => Promise.resolve(['read_from_replica=localize', 'crush_location=zone:a']),
    });
    await mapper.map(mapRequest({ options: ['read_from_replica=balance'] }), hostOf(fake.exec));
    fake.expectAllUsed();
  });

  it('hands the key over by a file, never as an argument', async () => {
    const { mapper, host, fake } = setUp([{ argv: anyArguments(7), stdout: '/dev/rbd0\n' }]);
    await mapper.map(mapRequest(), host);
    const [command] = fake.commands;
    const words = command?.args.filter(argument => typeof argument === 'string');
    expect(words?.join(' ')).not.toContain('c2VjcmV0');
    expect(command?.args.some(argument => typeof argument !== 'string')).toBe(true);
  });

  it('says what the kernel refuses', async () => {
    const { mapper, host } = setUp([
      {
        argv: anyArguments(7),
        exitCode: 6,
        stderr: 'rbd: sysfs write failed\nRBD image feature set mismatch.\n',
      },
    ]);
    await expect(mapper.map(mapRequest(), host)).rejects.toThrow(/rbd\/csi-vol-a.*feature set mismatch/);
  });

  it('gets a client of its own where the shared one was shut out of the cluster', async () => {
    const map = (options: string) => [
      ...['rbd', 'device', 'map', '--device-type', 'krbd', '--options', options, 'rbd/csi-vol-a'],
    ];
    const { mapper, host, fake } = setUp([
      { argv: map('noudev,rxbounce'), exitCode: 108, stderr: 'rbd: sysfs write failed\n' },
      { argv: map('noudev,rxbounce,noshare'), stdout: '/dev/rbd1\n' },
    ]);
    const mapping = await mapper.map(mapRequest({ options: ['rxbounce'] }), host);
    expect(mapping).toEqual({ device: '/dev/rbd1', readOnly: false });
    fake.expectAllUsed();
  });

  it('finds what is mapped in sysfs, without a program', async () => {
    const { mapper, host } = setUp([], {
      ...kernelDevice(0, { image: 'csi-vol-b', imageId: 'b' }),
      ...kernelDevice(1, { image: 'csi-vol-a', imageId: IMAGE.imageId, snapshot: 'snap' }),
      ...kernelDevice(2, { image: 'csi-vol-a', imageId: IMAGE.imageId, namespace: 'tenant' }),
      ...kernelDevice(3, { image: 'csi-vol-a', imageId: 'same-name-other-cluster' }),
      ...kernelDevice(12, { image: 'csi-vol-a', imageId: IMAGE.imageId, readOnly: true }),
    });
    expect(await mapper.find(IMAGE, host)).toEqual({ device: '/dev/rbd12', readOnly: true });
  });

  it('finds by name where the ID is not known', async () => {
    const { mapper, host } = setUp([], kernelDevice(5, { image: 'csi-vol-a', imageId: 'x' }));
    const { imageId, ...image } = IMAGE;
    expect(imageId).toBeDefined();
    expect(await mapper.find(image, host)).toEqual({ device: '/dev/rbd5', readOnly: false });
  });

  it('finds nothing where the kernel has no rbd', async () => {
    const { mapper, host } = setUp([]);
    expect(await mapper.find(IMAGE, host)).toBeUndefined();
    await mapper.unmap(IMAGE, [], host);
  });

  it('unmaps by device, without a cluster', async () => {
    const { mapper, host, fake } = setUp(
      [
        {
          argv: [
            ...['rbd', 'device', 'unmap', '--conf', '/dev/null', '--device-type', 'krbd'],
            ...['--options', 'noudev,force', '/dev/rbd5'],
          ],
        },
      ],
      kernelDevice(5, { image: 'csi-vol-a', imageId: IMAGE.imageId }),
    );
    await mapper.unmap(IMAGE, ['force'], host);
    fake.expectAllUsed();
  });

  it('unmaps all devices of an image that was mapped twice', async () => {
    const { mapper, host, fake } = setUp([{ argv: anyArguments(9) }, { argv: anyArguments(9) }], {
      ...kernelDevice(5, { image: 'csi-vol-a', imageId: IMAGE.imageId }),
      ...kernelDevice(7, { image: 'csi-vol-a', imageId: IMAGE.imageId }),
    });
    await mapper.unmap(IMAGE, [], host);
    expect(fake.commands.map(({ args }) => args.at(-1)).toSorted()).toEqual(['/dev/rbd5', '/dev/rbd7']);
    fake.expectAllUsed();
  });

  it('refuses to unmap a device in use', async () => {
    const { mapper, host } = setUp(
      [{ argv: anyArguments(9), exitCode: 16, stderr: 'rbd: unmap failed: (16) Busy\n' }],
      kernelDevice(5, { image: 'csi-vol-a', imageId: IMAGE.imageId }),
    );
    await expect(mapper.unmap(IMAGE, [], host)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('/dev/rbd5') as unknown,
    });
  });

  it('makes the kernel look at the size again', async () => {
    const { mapper, host, sysfs } = setUp([], kernelDevice(5, { image: 'a', imageId: IMAGE.imageId }));
    await mapper.refresh(IMAGE, host);
    expect(readFileSync(join(sysfs, 'bus/rbd/devices/5/refresh'), 'utf8')).toBe('1');
  });

  it('says why a node cannot: no module', async () => {
    const stderr = 'modprobe: FATAL: Module rbd not found in directory /lib/modules/6.1\n';
    const { mapper, fake } = setUp([{ argv: ['modprobe', 'rbd'], exitCode: 1, stderr }]);
    expect(await mapper.findObstacle(NO_NEEDS, createTestContext())).toMatch(
      /modprobe rbd says: .*Module rbd not found/,
    );
    fake.expectAllUsed();
  });

  it('says why a node cannot: a feature that no kernel knows', async () => {
    const { mapper } = setUp([], { 'bus/rbd/supported_features': '0x3f' });
    const features = ['layering', 'exclusive-lock', 'journaling'];
    expect(await mapper.findObstacle({ ...NO_NEEDS, features }, createTestContext())).toMatch(/journaling/);
  });

  it('says why a node cannot: limits', async () => {
    const { mapper } = setUp([], { 'bus/rbd/supported_features': '0x3f' });
    const listLimits = () => Promise.resolve(['rbd_qos_iops_limit']);
    expect(await mapper.findObstacle({ ...NO_NEEDS, listLimits }, createTestContext())).toBe(
      'the kernel keeps to no limits, and the image has rbd_qos_iops_limit',
    );
  });

  it('can where the kernel has rbd already', async () => {
    const { mapper } = setUp([], { 'bus/rbd/supported_features': '0x3f' });
    expect(await mapper.findObstacle(NO_NEEDS, createTestContext())).toBeUndefined();
  });
});
