import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseName } from '../../src/model/name.ts';

describe('the name in Ceph', () => {
  it('is the request name behind the prefix where a person can read it', () => {
    expect(chooseName('csi-vol-', 'pvc-6f0c5a3e-7e4c')).toBe('csi-vol-pvc-6f0c5a3e-7e4c');
  });

  it.each(['a/b', 'with space', "quote'", 'ä', '@x', 'x'.repeat(64)])('is a hash for %j', name => {
    expect(chooseName('csi-vol-', name)).toMatch(/^csi-vol-[0-9a-f]{32}$/);
  });

  it('differs for different requests and is short, whatever they are called', () => {
    const name = fc.oneof(fc.string({ minLength: 1 }), fc.stringMatching(/^[0-9a-f]{32}$/));
    fc.assert(
      fc.property(name, name, (one, other) => {
        fc.pre(one !== other);
        expect(chooseName('p-', one)).not.toBe(chooseName('p-', other));
        expect(chooseName('p-', one)).toMatch(/^p-[A-Za-z0-9._-]{1,61}$/);
      }),
    );
  });
});
