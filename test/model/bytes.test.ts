import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseSize, fitsRange, formatBytes, GIB, MIB, roundUp } from '../../src/model/bytes.ts';
import { isErrorOfKind } from '../../src/model/errors.ts';

describe('the size of a new volume', () => {
  it.each([
    [{}, GIB],
    [{ requiredBytes: 1n }, MIB],
    [{ requiredBytes: MIB + 1n }, 2n * MIB],
    [{ limitBytes: 3n * MIB + 5n }, 3n * MIB],
    [{ requiredBytes: MIB, limitBytes: MIB }, MIB],
  ])('for %o', (range, size) => {
    expect(chooseSize(range, MIB)).toBe(size);
  });

  it.each([
    [{ requiredBytes: 2n * MIB, limitBytes: MIB }, /required_bytes 2097152 is above limit_bytes 1048576/],
    [{ requiredBytes: 1n, limitBytes: 2n }, /multiples of 1 MiB, and none lies between/],
    [{ limitBytes: 5n }, /none lies between/],
  ])('is out of range for %o', (range, message) => {
    expect(() => chooseSize(range, MIB)).toThrow(message);
  });

  it('is a whole number of units within the range, or there is none', () => {
    const size = fc.bigInt({ min: 1n, max: 1n << 50n });
    fc.assert(
      fc.property(fc.record({ requiredBytes: size, limitBytes: size }, { requiredKeys: [] }), range => {
        try {
          const chosen = chooseSize(range, MIB);
          expect(chosen % MIB).toBe(0n);
          expect(chosen > 0n && fitsRange(chosen, range)).toBe(true);
        } catch (error) {
          expect(isErrorOfKind(error, 'out-of-range')).toBe(true);
          const smallest = roundUp(range.requiredBytes ?? 1n, MIB);
          expect(smallest > (range.limitBytes ?? 0n)).toBe(true);
        }
      }),
    );
  });
});

describe('a size in words', () => {
  it.each([
    [0n, '0 bytes'],
    [1023n, '1023 bytes'],
    [1536n, '1.5 KiB'],
    [GIB, '1 GiB'],
    [(5n * GIB) / 2n, '2.5 GiB'],
    [1n << 45n, '32 TiB'],
  ])('%d', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
