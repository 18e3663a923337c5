import { join } from 'node:path';

/** What is built once and used by every start. */
export const cacheDirectory = join(import.meta.dirname, '../../.cache/kubernetes');
export const binDirectory = join(cacheDirectory, 'bin');
export const imageDirectory = join(cacheDirectory, 'images');

/** Where a node keeps its images, also while it is down. */
export function storeDirectory(name: string): string {
  return join(cacheDirectory, 'stores', name);
}
