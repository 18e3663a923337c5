import { parseOutput } from './failure.ts';
import type { ImageFeature } from './rbd-export-stream.ts';
import { isObject } from './rbd-json.ts';
import { imageSpec, requireCeph, type CephSession, type ImageRef } from './rbd-session.ts';

/**
 * Gives features to an image that is there, or takes them away. Clients of librbd that have it open follow.
 * @throws DriverError `failed-precondition` when a client that cannot follow has it locked: the kernel's.
 */
export async function changeFeatures(
  session: CephSession,
  ref: ImageRef,
  change: 'enable' | 'disable',
  features: readonly ImageFeature[],
): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['feature', change, spec, ...features],
    what: `rbd feature ${change} ${spec} ${features.join(' ')}`,
    writesTo: [ref.pool],
    finishes: true,
  });
}

/** Whether Ceph knows that the image's object map is wrong, as it is when an image with data gets one. */
export async function needsObjectMap(session: CephSession, ref: ImageRef): Promise<boolean> {
  const spec = imageSpec(ref);
  const what = `rbd info ${spec}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['info', spec, '--format', 'json'],
    what,
  });
  const info = parseOutput(result, what);
  const flags = isObject(info) ? info['flags'] : undefined;
  return Array.isArray(flags) && flags.includes('object map invalid');
}

/** Milliseconds: an object at a time. */
const REBUILD_TIMEOUT = 6 * 3_600_000;

/** Looks at all objects of an image to make its object map right; it can be used meanwhile. */
export async function rebuildObjectMap(session: CephSession, ref: ImageRef): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['object-map', 'rebuild', '--no-progress', spec],
    what: `rebuilding the object map of image ${spec}`,
    finishes: true,
    timeout: REBUILD_TIMEOUT,
  });
}
