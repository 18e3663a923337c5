import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Digits of a number in a file: each replaces the one before as a whole. */
const DIGITS = 12;

/**
 * Writes 1 into the file `counter` of the first directory, then of the second, then 2 into the first…, as fast as it
 * can, each on the OSDs before the next; resolves when both have the first number.
 */
export async function startAlternatingFileWriter(
  directories: readonly [string, string],
): Promise<{ stop(): Promise<void> }> {
  const files = await Promise.all(directories.map(directory => open(join(directory, 'counter'), 'w')));
  let number = 0;
  let isStopping = false;
  async function writeNext(): Promise<void> {
    number += 1;
    for (const file of files) {
      await file.write(String(number).padStart(DIGITS, '0'), 0);
      await file.datasync();
    }
  }
  async function writeOn(): Promise<void> {
    while (!isStopping) await writeNext();
  }
  await writeNext();
  const writing = writeOn();
  return {
    async stop() {
      isStopping = true;
      try {
        await writing;
      } finally {
        for (const file of files) await file.close();
      }
    },
  };
}
