import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNoteStore, type VolumeNote } from '../../../src/rbd/node/note.ts';
import { IMAGE, makeDirectory } from './mappers/fake-system.ts';

const NOTE: VolumeNote = {
  image: { ...IMAGE, namespace: 'tenant' },
  mounter: 'fuse',
  unmapOptions: ['force'],
};

describe('the notes of a node', () => {
  it('are kept until they are removed', async () => {
    const directory = join(makeDirectory(), 'volumes');
    const notes = createNoteStore(directory);
    expect(await notes.read(IMAGE.volumeId)).toBeUndefined();
    await notes.write({ ...NOTE, mounter: 'krbd' });
    await notes.write(NOTE);
    expect(await createNoteStore(directory).read(IMAGE.volumeId)).toEqual(NOTE);
    expect(await notes.read('another volume')).toBeUndefined();
    await notes.remove(IMAGE.volumeId);
    await notes.remove(IMAGE.volumeId);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('that cannot be understood count as none', async () => {
    const directory = makeDirectory();
    const notes = createNoteStore(directory);
    await notes.write(NOTE);
    const [name = ''] = readdirSync(directory);
    const texts = ['', '{', '[]', '{"image":{}}', '{"image":{"volumeId":1},"mounter":"fuse"}'];
    for (const text of [...texts, JSON.stringify({ ...NOTE, mounter: 'teleport' })]) {
      writeFileSync(join(directory, name), text);
      expect(await notes.read(IMAGE.volumeId)).toBeUndefined();
    }
  });
});
