import { metadataKeyOf, readImageConfig, removeImageConfig, setImageConfig } from '../ceph/rbd-config.ts';
import type { CephSession, ImageRef } from '../ceph/rbd-session.ts';
import type { Context } from '../model/call.ts';
import type { ModifyRequest } from '../model/controller-backend.ts';
import { requireVolume } from './image-state.ts';
import { requireVolumePlace } from './places.ts';
import { LIMIT_OPTIONS, parseLimits, type Limits } from './qos.ts';
import type { Sessions } from './sessions.ts';

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

/** Changes the limits that the request names; writes only what differs. @throws DriverError `not-found` */
export async function modifyVolume(
  sessions: Sessions,
  request: ModifyRequest,
  context: Context,
): Promise<void> {
  const limits = parseLimits(request.mutableParameters);
  const place = requireVolumePlace(request.volumeId);
  const session = sessions.open(place.clusterId, request.secrets, context);
  await requireVolume(session, place);
  if (limits.size === 0) return;
  const present = await readImageConfig(session, place);
  const changes = [...limits].map(async ([option, limit]) => {
    const value = present.get(option);
    if (limit > 0n && value !== String(limit)) await setImageConfig(session, place, option, String(limit));
    if (limit === 0n && value !== undefined) await removeImageConfig(session, place, option);
  });
  await Promise.all(changes);
}
