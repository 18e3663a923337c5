import { describe, expect, it } from 'vitest';
import type { CreateVolumeRequest } from '../../src/gen/csi/v1/CreateVolumeRequest.ts';
import { _csi_v1_VolumeCapability_AccessMode_Mode as Mode } from '../../src/gen/csi/v1/VolumeCapability.ts';
import { isReaderOnly, parseCapabilities } from '../../src/grpc/capabilities.ts';
import { csi } from '../../src/grpc/contract.ts';

const { requestDeserialize, requestSerialize } = csi.Controller.CreateVolume;
const access_mode = { mode: 'SINGLE_NODE_WRITER' } as const;

function parse(...capabilities: NonNullable<CreateVolumeRequest['volume_capabilities']>) {
  const wire = requestDeserialize(requestSerialize({ volume_capabilities: capabilities }));
  return parseCapabilities(wire.volume_capabilities, 'volume_capabilities');
}

describe('a volume capability', () => {
  it('is a raw block device or a file system', () => {
    expect(parse({ block: {}, access_mode })).toEqual([
      { access: { type: 'block' }, mode: 'single-node-writer' },
    ]);
    expect(parse({ mount: {}, access_mode })).toEqual([
      { access: { type: 'mount', mountFlags: [] }, mode: 'single-node-writer' },
    ]);
    const mount = { fs_type: 'xfs', mount_flags: ['noatime', 'ro'], volume_mount_group: '2000' };
    expect(parse({ mount, access_mode })).toEqual([
      {
        access: { type: 'mount', fsType: 'xfs', mountFlags: ['noatime', 'ro'], volumeMountGroup: '2000' },
        mode: 'single-node-writer',
      },
    ]);
  });

  it('can have every mode of the specification', () => {
    const names = Object.values(Mode).filter(name => name !== 'UNKNOWN');
    const modes = parse(...names.map(mode => ({ block: {}, access_mode: { mode } }))).map(({ mode }) => mode);
    expect(modes).toEqual(names.map(name => name.toLowerCase().replaceAll('_', '-')));
    expect(modes.filter(isReaderOnly)).toEqual(['single-node-reader-only', 'multi-node-reader-only']);
  });

  it.each([
    ['nothing', {}, 'volume_capabilities[0].access_type: is not set; give either block or mount'],
    [
      'no mode',
      { block: {} },
      'volume_capabilities[0].access_mode: is not set; give one of SINGLE_NODE_WRITER',
    ],
    ['the mode UNKNOWN', { block: {}, access_mode: {} }, '"UNKNOWN" is not known; give one of'],
    ['long flags', { mount: { mount_flags: ['x'.repeat(4097)] }, access_mode }, 'at most 4096'],
    ['a NUL in a flag', { mount: { mount_flags: ['a\0'] }, access_mode }, 'mount_flags[0]: "a\\u0000"'],
    ['a long type', { mount: { fs_type: 'x'.repeat(129) }, access_mode }, 'mount.fs_type: '],
  ])('is refused with %s', (_, capability, message) => {
    expect(() => parse(capability)).toThrow(message);
  });

  it('is refused with a mode from a later version of the specification', () => {
    // Field 3, volume_capabilities: { block (1): {}, access_mode (3): { mode (1): 99 } }.
    const wire = requestDeserialize(Buffer.from([0x1a, 6, 0x0a, 0, 0x1a, 2, 0x08, 99]));
    expect(() => parseCapabilities(wire.volume_capabilities, 'volume_capabilities')).toThrow(
      '99 is not known',
    );
  });
});
