import { growImage, readImageById, type ImageInfo } from '../ceph/rbd-image.ts';
import { writeNewMetadata } from '../ceph/rbd-metadata.ts';
import { imageSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { cloneSnapshot, createSnapshot, listSnapshots, removeSnapshot } from '../ceph/rbd-snapshot.ts';
import { DriverError } from '../model/errors.ts';
import type { Volume } from '../model/volume.ts';
import type { Background } from './upkeep/background.ts';
import { measureDepth, type Flattener } from './upkeep/flattener.ts';
import { inspectImage, readMarkerById, requireVolume, type OnTrashed } from './image-state.ts';
import type { RbdLimits } from './limits.ts';
import { temporarySnapshotName, type Marker } from './marker.ts';
import { requireSnapshotPlace, requireVolumePlace } from './places.ts';
import { isUserSnapshot } from './snapshot-kind.ts';
import { requireSnapshotRoom } from './snapshot-room.ts';
import { ensureVolume } from './volume-creation.ts';
import { removeInheritedLimits } from './image-limits.ts';
import { adoptVolume, layoutOf, metadataOf, sizeOf, volumeOf, type VolumePlan } from './volume-plan.ts';

const FIELD = 'volume_content_source';

/** The snapshot that a volume is cloned from. */
interface Origin {
  readonly parent: ImageRef;
  readonly info: ImageInfo;
  readonly marker: Marker | undefined;
  readonly snapshot: string | bigint;
  readonly sizeBytes: bigint;
}

export interface CopyTools {
  readonly flattener: Flattener;
  readonly background: Background;
  readonly limits: RbdLimits;
  readonly onTrashed: OnTrashed;
}

function requireCluster(plan: VolumePlan, clusterId: string): void {
  if (clusterId === plan.parameters.clusterId) return;
  throw new DriverError(
    'invalid-argument',
    `${FIELD}: it is in cluster "${clusterId}", and the volume is to be in "${plan.parameters.clusterId}"`,
  );
}

function copiedSize(plan: VolumePlan, sourceBytes: bigint): bigint {
  const size = sizeOf(plan, sourceBytes);
  if (size >= sourceBytes) return size;
  throw new DriverError(
    'out-of-range',
    `capacity_range: the source has ${String(sourceBytes)} bytes, and a volume made from it cannot be smaller`,
  );
}

/**
 * How many parents the new volume will have. The marker's number only grows stale upwards, so a small one is
 * trusted, and a large one measured.
 */
async function depthBelow(
  session: CephSession,
  { parent, info, marker }: Origin,
  { flattener, limits }: CopyTools,
): Promise<number> {
  const noted = (marker?.depth ?? limits.mostDepth) + 1;
  if (noted <= limits.comfortableDepth) return noted;
  const depth = (await measureDepth(session, info, limits.mostDepth)) + 1;
  if (depth <= limits.mostDepth) return depth;
  flattener.add(session, parent);
  throw new DriverError(
    info.snapshotCount === 0 ? 'aborted' : 'resource-exhausted',
    `${FIELD}: image ${imageSpec(parent)} has a chain of ${depth - 1} parents, and ${limits.mostDepth} are the most` +
      (info.snapshotCount === 0
        ? '; it is being flattened'
        : '; it can be flattened when its snapshots and their clones are deleted'),
  );
}

/** Makes the clone a volume: its size, its metadata, and last the marker, which says that it is complete. */
async function completeClone(
  session: CephSession,
  plan: VolumePlan,
  origin: Origin,
  sizeBytes: bigint,
  depth: number,
): Promise<void> {
  if (sizeBytes > origin.sizeBytes) await growImage(session, plan.ref, sizeBytes);
  await removeInheritedLimits(session, plan.ref, plan.limits);
  // The clone has the metadata of its parent, which tells of another claim.
  await writeNewMetadata(session, plan.ref, metadataOf(plan, sizeBytes, depth));
}

async function makeClone(
  session: CephSession,
  plan: VolumePlan,
  origin: Origin,
  tools: CopyTools,
): Promise<Volume | undefined> {
  const size = copiedSize(plan, origin.sizeBytes);
  const depth = await depthBelow(session, origin, tools);
  const outcome = await cloneSnapshot(session, origin.parent, origin.snapshot, plan.ref, layoutOf(plan));
  if (outcome === 'exists') return undefined;
  if (outcome === 'missing') {
    throw new DriverError(
      'aborted',
      `${FIELD}: ${imageSpec(origin.parent)}@${String(origin.snapshot)} is being deleted or renamed`,
    );
  }
  await completeClone(session, plan, origin, size, depth);
  if (depth > tools.limits.comfortableDepth) tools.flattener.add(session, plan.ref);
  return volumeOf(plan, size);
}

async function findSnapshot(session: CephSession, plan: VolumePlan, snapshotId: string): Promise<Origin> {
  const place = requireSnapshotPlace(snapshotId, FIELD);
  requireCluster(plan, place.clusterId);
  const [info, snapshots, marker] = await Promise.all([
    readImageById(session, place),
    listSnapshots(session, place),
    readMarkerById(session, place),
  ]);
  const found = snapshots?.find(
    snapshot => snapshot.number === place.snapshotNumber && isUserSnapshot(snapshot),
  );
  if (info === undefined || found === undefined) {
    throw new DriverError('not-found', `${FIELD}: there is no snapshot "${snapshotId}"`);
  }
  const parent = { ...place, image: info.name };
  return {
    parent,
    info,
    marker,
    snapshot: found.kind === 'group' ? found.number : found.name,
    sizeBytes: found.sizeBytes,
  };
}

/** A volume with the content of a snapshot: one clone of it, whatever its size. */
export async function ensureRestoredVolume(
  session: CephSession,
  plan: VolumePlan,
  snapshotId: string,
  tools: CopyTools,
): Promise<Volume> {
  const origin = await findSnapshot(session, plan, snapshotId);
  return tools.flattener.whileUnflattened(session, origin.parent, () =>
    ensureVolume(session, plan, tools.onTrashed, () => makeClone(session, plan, origin, tools)),
  );
}

/** A snapshot of this moment: one that an earlier attempt left shows an earlier one. */
async function makeTemporarySnapshot(
  session: CephSession,
  source: ImageRef,
  imageId: string,
  name: string,
): Promise<void> {
  if ((await createSnapshot(session, source, name)) === 'created') return;
  await removeSnapshot(session, { ...source, imageId }, { name });
  await createSnapshot(session, source, name);
}

/** A volume with the present content of another: a clone of a snapshot that is removed after the answer. */
export async function ensureClonedVolume(
  session: CephSession,
  plan: VolumePlan,
  volumeId: string,
  tools: CopyTools,
): Promise<Volume> {
  const parent = requireVolumePlace(volumeId, FIELD);
  requireCluster(plan, parent.clusterId);
  const [existing, { info, marker }] = await Promise.all([
    inspectImage(session, plan.ref),
    requireVolume(session, parent, FIELD),
  ]);
  const image = { ...parent, imageId: info.imageId };
  const snapshot = temporarySnapshotName(plan.ref.image);
  const removeTemporary = (): void =>
    tools.background.start(`removing snapshot ${snapshot}`, context =>
      removeSnapshot({ ...session, context }, image, { name: snapshot }),
    );
  if (existing.kind === 'volume') {
    const volume = adoptVolume(plan, existing);
    if (info.snapshotCount > 0) removeTemporary();
    return volume;
  }
  const origin: Origin = { parent, info, marker, snapshot, sizeBytes: info.sizeBytes };
  copiedSize(plan, info.sizeBytes);
  await requireSnapshotRoom(session, parent, info, tools.flattener, tools.limits);
  return tools.flattener.whileUnflattened(session, parent, async () => {
    await makeTemporarySnapshot(session, parent, info.imageId, snapshot);
    const volume = await ensureVolume(session, plan, tools.onTrashed, () =>
      makeClone(session, plan, origin, tools),
    );
    removeTemporary();
    return volume;
  });
}
