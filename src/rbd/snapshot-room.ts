import type { ImageInfo } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { listClones } from '../ceph/rbd-snapshot.ts';
import { DriverError } from '../model/errors.ts';
import type { Flattener } from './upkeep/flattener.ts';
import type { RbdLimits } from './limits.ts';

/** Clones that are flattened at a time: each frees the snapshot that it lives from. */
const BATCH = 16;

/**
 * Sees to it that the image can have one more snapshot. When there are many, clones are flattened in the background, so
 * that the snapshots go that only they still live from.
 * @throws DriverError `resource-exhausted` when there are too many.
 */
export async function requireSnapshotRoom(
  session: CephSession,
  ref: ImageRef,
  info: ImageInfo,
  flattener: Flattener,
  limits: RbdLimits,
): Promise<void> {
  if (info.snapshotCount < limits.comfortableSnapshots) return;
  const clones = await listClones(session, ref);
  for (const clone of clones.slice(0, BATCH)) flattener.add(session, clone);
  if (info.snapshotCount < limits.mostSnapshots) return;
  throw new DriverError(
    'resource-exhausted',
    `image ${imageSpec(ref)} has ${info.snapshotCount} snapshots, and ${limits.mostSnapshots} are the most; ` +
      (clones.length > 0
        ? `its ${clones.length} clones are being flattened, which frees those that only they need`
        : 'delete some'),
  );
}
