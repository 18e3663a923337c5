import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const file = join(import.meta.dirname, '../Dockerfile');

/** The argv that an instruction of the Dockerfile gives last. */
export async function readInstruction(name: 'ENTRYPOINT' | 'CMD'): Promise<readonly string[]> {
  const [, argv] = new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(await readFile(file, 'utf8')) ?? [];
  if (argv === undefined) throw new Error(`the Dockerfile has no ${name} as a JSON list`);
  return JSON.parse(argv) as string[];
}
