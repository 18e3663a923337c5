import { createImage } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession } from '../ceph/rbd-session.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { Volume } from '../model/volume.ts';
import { inspectImage, removeUnfinished, type OnTrashed } from './image-state.ts';
import type { ImagePool } from './topology.ts';
import {
  adoptVolume,
  layoutOf,
  metadataOf,
  moveToPool,
  sizeOf,
  volumeOf,
  type VolumePlan,
} from './volume-plan.ts';

/** An attempt finds something half made at most once; the second one is for a deletion that ends meanwhile. */
const ATTEMPTS = 3;

/**
 * The volume of that name: what an earlier call has completed, else what `make` makes. What a killed call left
 * half made is removed first.
 * @param make resolves to undefined when there is an image of that name already.
 */
export async function ensureVolume(
  session: CephSession,
  plan: VolumePlan,
  onTrashed: OnTrashed,
  make: () => Promise<Volume | undefined>,
): Promise<Volume> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const made = await make();
    if (made !== undefined) return made;
    const state = await inspectImage(session, plan.ref);
    if (state.kind === 'volume') return adoptVolume(plan, state);
    session.context.log.info(
      { image: imageSpec(plan.ref) },
      'removing what an earlier attempt left half made',
    );
    if (!(await removeUnfinished(session, plan.ref, state, onTrashed))) {
      throw new DriverError(
        'already-exists',
        `name: image ${imageSpec(plan.ref)} is there, and is no volume of this driver`,
      );
    }
  }
  throw new DriverError(
    'aborted',
    `image ${imageSpec(plan.ref)} comes and goes: something else makes it, too`,
  );
}

/** An empty volume: one process when all goes well. */
export function ensureEmptyVolume(
  session: CephSession,
  plan: VolumePlan,
  onTrashed: OnTrashed,
): Promise<Volume> {
  const sizeBytes = sizeOf(plan);
  return ensureVolume(session, plan, onTrashed, async () => {
    const outcome = await createImage(session, plan.ref, {
      sizeBytes,
      ...layoutOf(plan),
      metadata: metadataOf(plan, sizeBytes, 0),
    });
    return outcome === 'created' ? volumeOf(plan, sizeBytes) : undefined;
  });
}

/**
 * The volume in another pool of a class that constrains its pools: an earlier call made it there, for a node of another
 * domain, and its answer got lost. It serves as well where it can be reached from what is asked for now.
 * @throws DriverError `already-exists` where it cannot.
 */
export async function findElsewhere(session: CephSession, plan: VolumePlan): Promise<Volume | undefined> {
  const look = async (pool: ImagePool) => {
    const moved = moveToPool(plan, pool);
    return { moved, state: await inspectImage(session, moved.ref).catch(ignoreMissingPool) };
  };
  for (const { moved, state } of await Promise.all(plan.parameters.otherPools.map(look))) {
    if (state?.kind !== 'volume') continue;
    if (moved.parameters.pool.accessibleTopology !== undefined) return adoptVolume(moved, state);
    throw new DriverError(
      'already-exists',
      `name: volume "${plan.name}" is there as ${imageSpec(moved.ref)}, which accessibility_requirements rule out`,
    );
  }
  return undefined;
}

/** A class whose pools are not all there still has the others. */
function ignoreMissingPool(error: unknown): undefined {
  if (!isErrorOfKind(error, 'not-found')) throw error;
}
