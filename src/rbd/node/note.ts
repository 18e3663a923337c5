import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, stringOf, type JsonObject } from '../../ceph/rbd-json.ts';
import type { NodeImage } from './mappers/mapper.ts';
import type { Mounter } from '../volume-context.ts';
import { hashVolumeId } from './volume-hash.ts';

/**
 * Where a volume of this node is to be looked for: what a volume ID and the system do not tell. It is written before
 * the image is mapped and removed after it was unmapped; whether it *is* mapped is asked of the system alone.
 */
export interface VolumeNote {
  readonly image: NodeImage;
  readonly mounter: Mounter;
  /** From the volume context, which unstaging is not given. */
  readonly unmapOptions: readonly string[];
}

export interface NoteStore {
  /** Undefined when there is none, or it cannot be understood: a later version may have written it. */
  read(volumeId: string): Promise<VolumeNote | undefined>;
  write(note: VolumeNote): Promise<void>;
  remove(volumeId: string): Promise<void>;
}

const MOUNTERS: readonly Mounter[] = ['krbd', 'nbd', 'fuse'];

function parseImage(value: JsonObject): NodeImage {
  const namespace = value['namespace'];
  return {
    volumeId: stringOf(value, 'volumeId'),
    clusterId: stringOf(value, 'clusterId'),
    pool: stringOf(value, 'pool'),
    ...(typeof namespace === 'string' ? { namespace } : {}),
    image: stringOf(value, 'image'),
    imageId: stringOf(value, 'imageId'),
  };
}

function parseNote(text: string): VolumeNote | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    if (!isObject(value) || !isObject(value['image'])) return undefined;
    const { mounter: name, unmapOptions: options } = value;
    const mounter = MOUNTERS.find(known => known === name);
    if (mounter === undefined) return undefined;
    const unmapOptions = Array.isArray(options) ? options.filter(option => typeof option === 'string') : [];
    return { image: parseImage(value['image']), mounter, unmapOptions };
  } catch {
    return undefined;
  }
}

/** Notes as files of a directory that outlives the driver, and not the node's next start. */
export function createNoteStore(directory: string): NoteStore {
  const pathOf = (volumeId: string) => join(directory, `${hashVolumeId(volumeId)}.json`);

  return {
    async read(volumeId) {
      const text = await readFile(pathOf(volumeId), 'utf8').catch(() => undefined);
      const note = text === undefined ? undefined : parseNote(text);
      return note?.image.volumeId === volumeId ? note : undefined;
    },
    async write(note) {
      const path = pathOf(note.image.volumeId);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // A note is there as a whole or not at all, whenever the driver is killed.
      await writeFile(`${path}.new`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
    async remove(volumeId) {
      const path = pathOf(volumeId);
      await rm(`${path}.new`, { force: true });
      await rm(path, { force: true });
    },
  };
}
