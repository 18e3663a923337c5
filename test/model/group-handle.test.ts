import { describe, expect, it } from 'vitest';
import { decodeGroupHandle, encodeGroupHandle } from '../../src/model/group-handle.ts';

describe('a group snapshot handle', () => {
  it.each([
    [{ clusterId: 'c1', pool: 'rbd', group: 'csi-group-a' }, 'rbdg1/c1/rbd/csi-group-a'],
    [{ clusterId: 'c1', pool: 'rbd', namespace: 'a/b', group: 'g' }, 'rbdg1/c1/rbd/a%2Fb/g'],
  ])('is the place in Ceph, and leads back to it: %j', (handle, id) => {
    expect(encodeGroupHandle(handle)).toBe(id);
    expect(decodeGroupHandle(id)).toEqual(handle);
  });

  it.each(['', 'rbdg1/c1/rbd', 'rbds1/c1/rbd/g', 'rbdg1/c1/rbd/a/b/c', 'rbdg1/c1//g', 'csi-group-a'])(
    'is not %j',
    id => {
      expect(decodeGroupHandle(id)).toBeUndefined();
    },
  );

  it('is held to the length that CSI allows', () => {
    const handle = { clusterId: 'c'.repeat(60), pool: 'rbd', group: 'g'.repeat(60) };
    expect(() => encodeGroupHandle(handle)).toThrow('group_snapshot_id');
  });
});
