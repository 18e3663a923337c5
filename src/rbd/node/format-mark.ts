import { readMetadata, removeMetadata, writeMetadata } from '../../ceph/rbd-metadata.ts';
import type { FormatMark } from '../../mount/format.ts';
import type { StagePlan } from './request.ts';

/** A mark in the image's metadata, which every node sees, and which goes with the image. */
export function createFormatMark({ session, image }: StagePlan, key: string): FormatMark {
  return {
    isSet: async context => (await readMetadata({ ...session, context }, image, key)) !== undefined,
    set: async context => await writeMetadata({ ...session, context }, image, key, 'true'),
    clear: async context => await removeMetadata({ ...session, context }, image, key),
  };
}
