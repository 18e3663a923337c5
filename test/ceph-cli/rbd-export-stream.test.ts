import { expect, it } from 'vitest';
import { writeExportStream } from '../../src/ceph/rbd-export-stream.ts';

/** The bytes of `rbd export --export-format 2` (Ceph 16.2.15) of an empty image of 8 MiB with two keys. */
const RECORDED = Buffer.from(
  '72626420696d6167652076320a4f080000000000000016000000000000005408000000000000003d0000000000000055' +
    '0800000000000000000040000000000043080000000000000001000000000000004d1000000000000000040000006' +
    '16b6579040000006176616c4d100000000000000004000000626b65790400000062' +
    '76616c4572626420696d6167652064696666732076320a0100000000000000726264206469666620763' +
    '20a730800000000000000000080000000000065',
  'hex',
);

it('writes what rbd itself writes', () => {
  const layout = {
    sizeBytes: 8n * 1024n * 1024n,
    order: 22,
    features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
    stripeUnit: 4194304n,
    stripeCount: 1n,
  } as const;
  const metadata = new Map([
    ['akey', 'aval'],
    ['bkey', 'bval'],
  ]);
  expect(writeExportStream(layout, metadata).toString('hex')).toBe(RECORDED.toString('hex'));
});
