import { describe, expect, it } from 'vitest';
import { parseFileSystemType } from '../../src/mount/file-system-type.ts';
import { fileSystemOptions, isReadOnly, mergeMountOptions } from '../../src/mount/mount-options.ts';

describe('mount options', () => {
  it('of several lists become one, a later one replacing an earlier one of its name', () => {
    expect(mergeMountOptions(['noatime,discard', 'data=ordered'], [], ['data=writeback', 'noatime'])).toEqual(
      ['discard', 'data=writeback', 'noatime'],
    );
  });

  it('keep the commas within quotes', () => {
    const context = 'context="system_u:object_r:container_file_t:s0:c1,c2"';
    expect(mergeMountOptions([`noatime,${context},discard`])).toEqual(['noatime', context, 'discard']);
  });

  it('may be empty or untidy', () => {
    expect(mergeMountOptions(['', ' noatime , ,discard,'])).toEqual(['noatime', 'discard']);
    expect(mergeMountOptions()).toEqual([]);
  });

  it('are read-only or not by the last word', () => {
    expect(isReadOnly(mergeMountOptions(['ro'], ['noatime']))).toBe(true);
    expect(isReadOnly(mergeMountOptions(['ro'], ['rw']))).toBe(false);
    expect(isReadOnly(mergeMountOptions(['errors=remount-ro']))).toBe(false);
  });

  it('let xfs mount a copy beside its original', () => {
    expect(fileSystemOptions('xfs', ['noatime'])).toEqual(['nouuid', 'noatime']);
    expect(fileSystemOptions('xfs', ['nouuid'])).toEqual(['nouuid']);
    expect(fileSystemOptions('ext4', ['noatime'])).toEqual(['noatime']);
  });
});

describe('a file system type', () => {
  it('is ext4 unless another is asked for', () => {
    expect([undefined, '', 'xfs', 'btrfs'].map(value => parseFileSystemType(value))).toEqual([
      'ext4',
      'ext4',
      'xfs',
      'btrfs',
    ]);
  });

  it('that is unknown is refused, naming those that are known', () => {
    expect(() => parseFileSystemType('ntfs')).toThrow('fs_type: "ntfs" is none of ext4, xfs, btrfs');
  });
});
