import { describe, expect, it } from 'vitest';
import { parseLimits } from '../../src/rbd/qos.ts';
import { parseAttributes } from '../../src/rbd/volume-attributes.ts';

describe('the limits of a VolumeAttributesClass', () => {
  it('are options of librbd, each key one, and only those that are named', () => {
    const limits = parseLimits({
      maxIops: '100',
      maxReadIops: '0',
      maxWriteIops: '7',
      maxBps: '104857600',
      maxReadBps: '10M',
      maxWriteBps: '2G',
    });
    expect(Object.fromEntries(limits)).toEqual({
      rbd_qos_iops_limit: 100n,
      rbd_qos_read_iops_limit: 0n,
      rbd_qos_write_iops_limit: 7n,
      rbd_qos_bps_limit: 104_857_600n,
      rbd_qos_read_bps_limit: 10_485_760n,
      rbd_qos_write_bps_limit: 2_147_483_648n,
    });
    expect([...parseLimits({ maxIops: '5' }).keys()]).toEqual(['rbd_qos_iops_limit']);
    expect(parseLimits({}).size).toBe(0);
  });

  it.each([
    [{ maxIOPS: '1' }, '"maxIOPS" is unknown; known are maxIops, maxReadIops'],
    [{ toString: '1' }, '"toString" is unknown'],
    [{ maxIops: '-1' }, 'maxIops "-1" is not a number of operations'],
    [{ maxIops: '1K' }, 'maxIops "1K" is not a number of operations'],
    [{ maxIops: '' }, 'maxIops "" is not'],
    [{ maxBps: '1.5M' }, 'maxBps "1.5M" is not a number of bytes'],
    [{ maxBps: '10MB' }, 'maxBps "10MB" is not a number of bytes'],
    [{ maxBps: '18446744073709551615' }, 'is not a number of bytes'],
  ])('%j is refused', (parameters, message) => {
    expect(() => parseAttributes(parameters)).toThrow(message);
  });
});
