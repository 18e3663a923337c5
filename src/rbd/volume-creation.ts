import { createImage } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession } from '../ceph/rbd-session.ts';
import { DriverError } from '../model/errors.ts';
import type { Volume } from '../model/volume.ts';
import { inspectImage, removeUnfinished, type OnTrashed } from './image-state.ts';
import { adoptVolume, metadataOf, sizeOf, volumeOf, type VolumePlan } from './volume-plan.ts';

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
  const { parameters } = plan;
  return ensureVolume(session, plan, onTrashed, async () => {
    const outcome = await createImage(session, plan.ref, {
      sizeBytes,
      order: parameters.order,
      features: parameters.features,
      stripeUnit: parameters.stripeUnit,
      stripeCount: parameters.stripeCount,
      ...(parameters.dataPool === undefined ? {} : { dataPool: parameters.dataPool }),
      metadata: metadataOf(plan, sizeBytes, 0),
    });
    return outcome === 'created' ? volumeOf(plan, sizeBytes) : undefined;
  });
}
