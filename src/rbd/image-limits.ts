import { metadataKeyOf, readImageConfig, removeImageConfig, setImageConfig } from '../ceph/rbd-config.ts';
import type { Watcher } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { DriverError } from '../model/errors.ts';
import { LIMIT_OPTIONS, type Limits } from './qos.ts';

/** The limits of a new image, as metadata that `rbd import` sets with the rest. */
export function limitMetadata(limits: Limits): ReadonlyMap<string, string> {
  const set = [...limits].filter(([, limit]) => limit > 0n);
  return new Map(set.map(([option, limit]) => [metadataKeyOf(option), String(limit)]));
}

/** The options of the limits that are set at the image. */
export async function listLimits(session: CephSession, ref: ImageRef): Promise<readonly string[]> {
  const present = await readImageConfig(session, ref);
  return LIMIT_OPTIONS.filter(option => (present.get(option) ?? '0') !== '0');
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
export async function changeLimits(session: CephSession, ref: ImageRef, limits: Limits): Promise<void> {
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
 * The kernel's client knows no limits: a volume that it has mapped would stay as fast as it is.
 * @throws DriverError `failed-precondition` naming the addresses of such clients.
 */
export function requireClientsWithLimits(ref: ImageRef, watchers: readonly Watcher[]): void {
  const kernels = watchers.filter(({ isKernel }) => isKernel);
  if (kernels.length === 0) return;
  const addresses = kernels.map(({ address }) => address).join(', ');
  throw new DriverError(
    'failed-precondition',
    `mutable_parameters: image ${imageSpec(ref)} is mapped by the kernel's client at ${addresses}, which keeps to no ` +
      'limits; delete the Pods that use the volume, and once it has them, nodes map it by nbd or fuse',
  );
}
