import { describe, expect, it } from 'vitest';
import type { Mapper } from '../../../../src/rbd/node/mappers/mapper.ts';
import { selectMapper } from '../../../../src/rbd/node/mappers/selection.ts';
import type { Mounter } from '../../../../src/rbd/volume-context.ts';
import { createTestContext } from '../../../exec/fake-exec.ts';
import { NO_NEEDS } from './fake-system.ts';

function mapper(name: Mounter, obstacle?: string): Mapper {
  const unused = () => Promise.reject(new Error('not to be called'));
  return {
    name,
    findObstacle: () => Promise.resolve(obstacle),
    find: unused,
    map: unused,
    unmap: unused,
    refresh: unused,
  };
}

const context = createTestContext();

describe('selectMapper', () => {
  it('takes the first that the node can use', async () => {
    const mappers = [mapper('krbd', 'no module'), mapper('nbd'), mapper('fuse')];
    expect(
      (await selectMapper(mappers, { mounter: 'auto', tryOthers: false, ...NO_NEEDS }, context)).name,
    ).toBe('nbd');
  });

  it('takes the wanted one', async () => {
    const mappers = [mapper('krbd'), mapper('nbd'), mapper('fuse')];
    expect(
      (await selectMapper(mappers, { mounter: 'fuse', tryOthers: true, ...NO_NEEDS }, context)).name,
    ).toBe('fuse');
  });

  it('takes no other unless it may', async () => {
    const mappers = [mapper('krbd', 'no module'), mapper('nbd'), mapper('fuse')];
    await expect(
      selectMapper(mappers, { mounter: 'krbd', tryOthers: false, ...NO_NEEDS }, context),
    ).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: 'mounter: this node cannot map RBD images with "krbd": krbd: no module',
    });
    expect(
      (await selectMapper(mappers, { mounter: 'krbd', tryOthers: true, ...NO_NEEDS }, context)).name,
    ).toBe('nbd');
  });

  it('says of each why it is not possible', async () => {
    const mappers = [
      mapper('krbd', 'no module'),
      mapper('nbd', 'no program'),
      mapper('fuse', 'no /dev/fuse'),
    ];
    await expect(
      selectMapper(mappers, { mounter: 'auto', tryOthers: false, ...NO_NEEDS }, context),
    ).rejects.toThrow('krbd: no module; nbd: no program; fuse: no /dev/fuse');
  });
});
