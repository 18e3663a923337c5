import { writeFile } from 'node:fs/promises';
import { createChance } from './fixture.ts';

/** A write of bytes, or a discard. */
type Change =
  { readonly offset: number; readonly data: Buffer } | { readonly offset: number; readonly length: number };

function header(tag: string, ...numbers: readonly number[]): Buffer {
  const buffer = Buffer.alloc(1 + 8 * numbers.length);
  buffer.write(tag);
  numbers.forEach((number, index) => buffer.writeBigUInt64LE(BigInt(number), 1 + 8 * index));
  return buffer;
}

/** A file that `rbd import-diff` applies to an image of `size` bytes. */
export async function writeDiffFile(path: string, size: number, changes: readonly Change[]): Promise<void> {
  const records = changes.flatMap(change =>
    'data' in change
      ? [header('w', change.offset, change.data.length), change.data]
      : [header('z', change.offset, change.length)],
  );
  await writeFile(
    path,
    Buffer.concat([Buffer.from('rbd diff v1\n'), header('s', size), ...records, Buffer.from('e')]),
  );
}

const SECTOR = 512;

/** Changes at random places of the first `size` bytes, by ascending offset: writes of up to 64 KiB, some discards. */
export function chooseChanges(seed: number, size: number, count: number): readonly Change[] {
  const chance = createChance(seed);
  const slot = Math.floor(size / count / SECTOR) * SECTOR;
  return Array.from({ length: count }, (_, index): Change => {
    const length = Math.min(slot, (1 + Math.floor(chance() * 128)) * SECTOR);
    const offset = index * slot + Math.floor((chance() * (slot - length)) / SECTOR) * SECTOR;
    if (chance() < 0.2) return { offset, length };
    return { offset, data: Buffer.from(Array.from({ length }, () => Math.floor(chance() * 256))) };
  });
}
