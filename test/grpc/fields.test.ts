import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csi } from '../../src/grpc/contract.ts';
import { parseCapacityRange, parseMap, parseSecrets, requireText } from '../../src/grpc/fields.ts';
import { DriverError } from '../../src/model/errors.ts';

const { requestDeserialize, requestSerialize } = csi.Controller.CreateVolume;

describe('a text', () => {
  it('is taken as it is, or refused with a message that names its field', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
        const isValid =
          text !== '' && Buffer.byteLength(text) <= 128 && !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(text);
        try {
          expect(requireText(text, 'name')).toBe(text);
          expect(isValid).toBe(true);
        } catch (error) {
          if (!(error instanceof DriverError)) throw error;
          expect(isValid).toBe(false);
          expect(error.kind).toBe('invalid-argument');
          expect(error.message).toMatch(/^name: /);
          expect(error.message.length).toBeLessThan(700);
        }
      }),
    );
  });

  it('may contain the white space that CSI allows', () => {
    expect(requireText('a\tb\nc\rd e', 'name')).toBe('a\tb\nc\rd e');
  });
});

describe('a map', () => {
  it('reaches the driver with every key, whatever it is called', () => {
    // The encoder of this test loses a key that JavaScript takes for the object's prototype.
    const text = fc.string({ maxLength: 20 }).filter(value => !value.includes('\0') && value !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(text, text, { maxKeys: 20 }), map => {
        const received = requestDeserialize(requestSerialize({ parameters: map }));
        expect(Object.entries(parseMap(received.parameters, 'parameters')).sort()).toEqual(
          Object.entries(map).sort(),
        );
      }),
    );
  });

  it('holds 4 KiB', () => {
    expect(parseMap({ k: 'x'.repeat(4095) }, 'parameters')).toEqual({ k: 'x'.repeat(4095) });
    expect(() => parseMap({ k: 'x'.repeat(4096) }, 'parameters')).toThrow('at most 4096 are allowed');
  });
});

describe('secrets', () => {
  it('print as *** and may be larger than other maps', () => {
    const secrets = parseSecrets({ userKey: 'sesame'.repeat(1000) });
    expect(JSON.stringify(secrets)).toBe('{"userKey":"***"}');
    expect(secrets['userKey']?.reveal()).toHaveLength(6000);
  });
});

describe('a capacity range', () => {
  it('keeps every int64 of the wire exactly, and refuses negative ones', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(int64, int64, (required, limit) => {
        const wire = { required_bytes: String(required), limit_bytes: String(limit) };
        const received = requestDeserialize(requestSerialize({ capacity_range: wire })).capacity_range;
        if (required < 0n || limit < 0n) {
          expect(() => parseCapacityRange(received)).toThrow(/is negative/);
          return;
        }
        const range = parseCapacityRange(received);
        expect(range.requiredBytes ?? 0n).toBe(required);
        expect(range.limitBytes ?? 0n).toBe(limit);
      }),
    );
  });

  it('bounds nothing where nothing is given', () => {
    expect(parseCapacityRange(null)).toEqual({});
    expect(parseCapacityRange({ required_bytes: '0', limit_bytes: '0' })).toEqual({});
  });
});
