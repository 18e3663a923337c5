import { parseOutput } from './failure.ts';
import { arrayOf, stringOf } from './rbd-json.ts';
import { operand, poolSpec, requireCeph, type CephSession, type PoolRef } from './rbd-session.ts';

/** Bytes: some 150 for each image and snapshot. */
const LONG_LISTING = 128 * 1024 * 1024;

/** The names of a pool's images, in no order. */
export async function listImages(session: CephSession, ref: PoolRef): Promise<readonly string[]> {
  const what = `rbd ls ${poolSpec(ref)}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['ls', poolSpec(ref), '--format', 'json'],
    what,
    operation: { name: 'list_images', args: operand.pool(ref) },
    maximumOutput: LONG_LISTING,
  });
  const names = parseOutput(result, what);
  return Array.isArray(names) ? names.filter(name => typeof name === 'string') : [];
}

/** A snapshot of a listing, named with its image. */
export interface ListedSnapshot {
  readonly image: string;
  readonly snapshot: string;
}

/**
 * The names of all images and of their snapshots (`rbd ls --long`): one process, which opens every image. An image that
 * goes meanwhile can fail it.
 */
export async function listImagesAndSnapshots(
  session: CephSession,
  ref: PoolRef,
): Promise<{ readonly images: readonly string[]; readonly snapshots: readonly ListedSnapshot[] }> {
  const what = `rbd ls --long ${poolSpec(ref)}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['ls', '--long', poolSpec(ref), '--format', 'json'],
    what,
    operation: { name: 'list_images_and_snapshots', args: operand.pool(ref) },
    maximumOutput: LONG_LISTING,
  });
  const images: string[] = [];
  const snapshots: ListedSnapshot[] = [];
  for (const entry of arrayOf(parseOutput(result, what), what)) {
    const image = stringOf(entry, 'image');
    const snapshot = entry['snapshot'];
    if (typeof snapshot === 'string') snapshots.push({ image, snapshot });
    else images.push(image);
  }
  return { images, snapshots };
}
