import { changeFeatures, needsObjectMap, rebuildObjectMap } from '../ceph/rbd-feature.ts';
import type { ImageFeature } from '../ceph/rbd-export-stream.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import type { Context } from '../model/call.ts';
import type { ModifyRequest } from '../model/controller-backend.ts';
import type { Background } from './upkeep/background.ts';
import { planFeatureChange } from './features.ts';
import { changeLimits, requireClientsWithLimits } from './image-limits.ts';
import { requireVolumeWithWatchers, type VolumeImage } from './image-state.ts';
import { requireVolumePlace } from './places.ts';
import { hasLimits } from './qos.ts';
import type { Sessions } from './sessions.ts';
import { parseAttributes } from './volume-attributes.ts';

/**
 * Changes the features, and has an object map that is not right yet made in the background: until it is, Ceph does
 * without. A driver that ends meanwhile makes it when the request is repeated.
 */
async function applyFeatures(
  session: CephSession,
  ref: ImageRef,
  { info }: VolumeImage,
  wanted: readonly ImageFeature[],
  background: Background,
): Promise<void> {
  const { enable, disable } = planFeatureChange(info.features, wanted);
  if (disable.length > 0) await changeFeatures(session, ref, 'disable', disable);
  if (enable.length > 0) await changeFeatures(session, ref, 'enable', enable);
  if (!wanted.includes('object-map') || !(await needsObjectMap(session, ref))) return;
  background.start(`making the object map of ${imageSpec(ref)}`, context =>
    rebuildObjectMap({ ...session, context }, ref),
  );
}

/**
 * Changes what the request names.
 * @throws DriverError `not-found`, `invalid-argument`; `failed-precondition` when who uses the volume keeps to no limits.
 */
export async function modifyVolume(
  sessions: Sessions,
  background: Background,
  request: ModifyRequest,
  context: Context,
): Promise<void> {
  const { limits, features } = parseAttributes(request.mutableParameters);
  const place = requireVolumePlace(request.volumeId);
  const session = sessions.open(place.clusterId, request.secrets, context);
  const { volume, watchers } = await requireVolumeWithWatchers(session, place);
  if (hasLimits(limits)) requireClientsWithLimits(place, watchers);
  if (features !== undefined) await applyFeatures(session, place, volume, features, background);
  await changeLimits(session, place, limits);
}
