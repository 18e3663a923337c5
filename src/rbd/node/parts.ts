import type { Host } from '../../mount/host.ts';
import type { Mapper, Mapping, NodeImage } from './mappers/mapper.ts';
import { findDecryptedVolume } from './encryption.ts';
import type { NoteStore, VolumeNote } from './note.ts';
import type { Mounter } from '../volume-context.ts';

export interface NodeParts {
  /** In the order of preference. */
  readonly mappers: readonly Mapper[];
  /** What is used where a volume names no mounter. */
  readonly preference: Mounter | 'auto';
  readonly notes: NoteStore;
}

/** A mapping and the mapper that made it. */
export interface OwnedMapping extends Mapping {
  readonly mapper: Mapper;
  /** The device that shows the volume's data: the image's own, or what decrypts it. */
  readonly dataDevice: string;
}

export function isDecrypted(mapping: OwnedMapping): boolean {
  return mapping.dataDevice !== mapping.device;
}

/** The image's mapping, by whichever mapper. */
export async function findMapping(
  mappers: readonly Mapper[],
  image: NodeImage,
  host: Host,
): Promise<OwnedMapping | undefined> {
  for (const mapper of mappers) {
    const mapping = await mapper.find(image, host);
    if (mapping === undefined) continue;
    const decrypted = await findDecryptedVolume(image);
    return { ...mapping, mapper, dataDevice: decrypted?.path ?? mapping.device };
  }
  return undefined;
}

/** The mappers that may have mapped a volume: the noted one, or any when there is no note. */
export function mappersOf(parts: NodeParts, note: VolumeNote | undefined): readonly Mapper[] {
  return note === undefined ? parts.mappers : parts.mappers.filter(({ name }) => name === note.mounter);
}
