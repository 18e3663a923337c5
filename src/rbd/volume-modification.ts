import { metadataKeyOf, readImageConfig, removeImageConfig, setImageConfig } from '../ceph/rbd-config.ts';
import { changeFeatures, needsObjectMap, rebuildObjectMap } from '../ceph/rbd-feature.ts';
import type { ImageFeature } from '../ceph/rbd-export-stream.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import type { Context } from '../model/call.ts';
import type { ModifyRequest } from '../model/controller-backend.ts';
import type { Background } from './upkeep/background.ts';
import { planFeatureChange } from './features.ts';
import { requireVolume, type VolumeImage } from './image-state.ts';
import { requireVolumePlace } from './places.ts';
import { LIMIT_OPTIONS, type Limits } from './qos.ts';
import type { Sessions } from './sessions.ts';
import { parseAttributes } from './volume-attributes.ts';

/** The limits of a new image, as metadata that `rbd import` sets with the rest. */
export function limitMetadata(limits: Limits): ReadonlyMap<string, string> {
  const set = [...limits].filter(([, limit]) => limit > 0n);
  return new Map(set.map(([option, limit]) => [metadataKeyOf(option), String(limit)]));
}

/** A clone comes with the limits of its parent: those go that were not asked for. */
export async function removeInheritedLimits(
  session: CephSession,
  ref: ImageRef,
  limits: Limits,
): Promise<void> {
  const present = await readImageConfig(session, ref);
  const inherited = LIMIT_OPTIONS.filter(option => present.has(option) && (limits.get(option) ?? 0n) === 0n);
  await Promise.all(inherited.map(option => removeImageConfig(session, ref, option)));
}

/** Writes only what differs. */
async function changeLimits(session: CephSession, ref: ImageRef, limits: Limits): Promise<void> {
  if (limits.size === 0) return;
  const present = await readImageConfig(session, ref);
  const changes = [...limits].map(async ([option, limit]) => {
    const value = present.get(option);
    if (limit > 0n && value !== String(limit)) await setImageConfig(session, ref, option, String(limit));
    if (limit === 0n && value !== undefined) await removeImageConfig(session, ref, option);
  });
  await Promise.all(changes);
}

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

/** Changes what the request names. @throws DriverError `not-found`, `invalid-argument` */
export async function modifyVolume(
  sessions: Sessions,
  background: Background,
  request: ModifyRequest,
  context: Context,
): Promise<void> {
  const { limits, features } = parseAttributes(request.mutableParameters);
  const place = requireVolumePlace(request.volumeId);
  const session = sessions.open(place.clusterId, request.secrets, context);
  const volume = await requireVolume(session, place);
  if (features !== undefined) await applyFeatures(session, place, volume, features, background);
  await changeLimits(session, place, limits);
}
