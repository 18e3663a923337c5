import { readGroupSnapshot } from '../ceph/rbd-group.ts';
import { listImages, listImagesAndSnapshots, type ListedSnapshot } from '../ceph/rbd-image-list.ts';
import { readImage } from '../ceph/rbd-image.ts';
import { imageSpec, poolSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { listSnapshots } from '../ceph/rbd-snapshot.ts';
import type { Context } from '../model/call.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { Page, PageRequest, Snapshot, VolumeStatus } from '../model/volume.ts';
import { listOwnGroups } from './groups/membership.ts';
import { describeUnopenable, examineUnopenable, inspectImage, type VolumeImage } from './image-state.ts';
import { isTemporarySnapshot, isTombstone, mayBeTombstone } from './marker.ts';
import { listOwnPools, type OwnPool } from './own-pools.ts';
import { readPage, type Position } from './paging.ts';
import { encodeVolumePlace, requireVolumePlace, type VolumePlace } from './places.ts';
import type { Sessions } from './sessions.ts';
import { GROUP_SNAPSHOT, isUserSnapshot } from './snapshot-kind.ts';
import { snapshotOf } from './snapshots.ts';

interface ListedImage {
  readonly pool: OwnPool;
  readonly image: ImageRef;
}

function keyOf({ clusterId, ref }: OwnPool, ...names: readonly string[]): string {
  return [clusterId, poolSpec(ref), ...names].join(' ');
}

function statusOf(clusterId: string, ref: ImageRef, { info, marker }: VolumeImage): VolumeStatus {
  return {
    volume: {
      volumeId: encodeVolumePlace(clusterId, ref),
      capacityBytes: info.sizeBytes,
      context: {},
      ...(marker.source === undefined ? {} : { source: marker.source }),
    },
    condition: { abnormal: false, message: 'the image can be opened' },
  };
}

async function readStatus({ pool, image }: ListedImage): Promise<VolumeStatus | undefined> {
  const state = await inspectImage(pool.session, image);
  if (state.kind !== 'volume' || isTombstone(state.info)) return undefined;
  return statusOf(pool.clusterId, image, state);
}

/** The volumes in the pools that the driver's own users see. */
export async function listVolumes(
  sessions: Sessions,
  request: PageRequest,
  context: Context,
): Promise<Page<VolumeStatus>> {
  const pools = await listOwnPools(sessions, context);
  const listed = await Promise.all(
    pools.map(async (pool): Promise<readonly Position<ListedImage>[]> => {
      const names = await listImages(pool.session, pool.ref);
      return names.map(name => ({
        key: keyOf(pool, name),
        value: { pool, image: { ...pool.ref, image: name } },
      }));
    }),
  );
  return readPage(listed.flat(), request, readStatus);
}

/** @throws DriverError `not-found` */
export async function readVolume(
  sessions: Sessions,
  volumeId: string,
  context: Context,
): Promise<VolumeStatus> {
  const place = requireVolumePlace(volumeId);
  const session = sessions.open(place.clusterId, {}, context);
  const state = await inspectImage(session, place);
  if (state.kind === 'volume') return statusOf(place.clusterId, place, state);
  if (state.kind === 'unmarked' || (await examineUnopenable(session, place)).kind !== 'volume') {
    throw new DriverError('not-found', `volume_id: there is no volume in image ${imageSpec(place)}`);
  }
  const volume = { volumeId, capacityBytes: 0n, context: {} };
  return { volume, condition: { abnormal: true, message: describeUnopenable(place) } };
}

interface PoolSnapshot {
  readonly pool: OwnPool;
  readonly listed: ListedSnapshot;
}

async function resolveSnapshot(
  pool: OwnPool,
  listed: ListedSnapshot,
  inspect: (image: ImageRef) => Promise<VolumeImage | undefined>,
): Promise<Snapshot | undefined> {
  const image = { ...pool.ref, image: listed.image };
  const volume = await inspect(image);
  if (volume === undefined) return undefined;
  const snapshots = await listSnapshots(pool.session, { ...image, imageId: volume.info.imageId });
  const found = snapshots?.find(snapshot => snapshot.name === listed.snapshot);
  if (found === undefined || !isUserSnapshot(found)) return undefined;
  return snapshotOf(pool.clusterId, image, volume.info, found);
}

/** Parts of group snapshots, which `rbd ls --long` leaves out: one process for each group snapshot. */
async function listGroupMembers(pool: OwnPool): Promise<readonly Position<PoolSnapshot>[]> {
  const groups = await listOwnGroups(pool.session, pool.ref);
  const snapshots = await Promise.all(
    groups.map(group => readGroupSnapshot(pool.session, group, GROUP_SNAPSHOT)),
  );
  return snapshots
    .filter(snapshot => snapshot !== undefined)
    .filter(({ isComplete }) => isComplete)
    .flatMap(({ members, imageSnapshotName: snapshot }) =>
      members.map(({ image, ...ref }) => {
        const home = { ...pool, ref };
        return { key: keyOf(home, image, snapshot), value: { pool: home, listed: { image, snapshot } } };
      }),
    );
}

async function listNamedSnapshots(pool: OwnPool): Promise<readonly Position<PoolSnapshot>[]> {
  const snapshots = await listPoolSnapshots(pool);
  return snapshots
    .filter(({ snapshot }) => !isTemporarySnapshot(snapshot))
    .map(listed => ({ key: keyOf(pool, listed.image, listed.snapshot), value: { pool, listed } }));
}

/** An image that goes while `rbd ls --long` opens it can fail the whole listing; then it is made again. */
async function listPoolSnapshots(pool: OwnPool): Promise<readonly ListedSnapshot[]> {
  try {
    return (await listImagesAndSnapshots(pool.session, pool.ref)).snapshots;
  } catch (error) {
    if (!isErrorOfKind(error, 'not-found')) throw error;
    return (await listImagesAndSnapshots(pool.session, pool.ref)).snapshots;
  }
}

/** The snapshots in the pools that the driver's own users see. */
export async function listAllSnapshots(
  sessions: Sessions,
  request: PageRequest,
  context: Context,
): Promise<Page<Snapshot>> {
  const pools = await listOwnPools(sessions, context);
  const positions = await Promise.all(
    pools.flatMap(pool => [listNamedSnapshots(pool), listGroupMembers(pool)]),
  );
  return readPage(positions.flat(), request, ({ pool, listed }) =>
    resolveSnapshot(pool, listed, async image => {
      const state = await inspectImage(pool.session, image);
      return state.kind === 'volume' ? state : undefined;
    }),
  );
}

/** The volume's image, or its tombstone when it was deleted and has snapshots. */
async function findSource(session: CephSession, place: VolumePlace): Promise<ImageRef | undefined> {
  if ((await readImage(session, place)) !== undefined) return place;
  const suffix = `-${place.image}`;
  const names = await listImages(session, place);
  const name = names.find(candidate => mayBeTombstone(candidate) && candidate.endsWith(suffix));
  return name === undefined ? undefined : { ...place, image: name };
}

/** The snapshots of one volume; none for a volume that is not there. */
export async function listVolumeSnapshots(
  session: CephSession,
  place: VolumePlace,
  request: PageRequest,
): Promise<Page<Snapshot>> {
  const source = await findSource(session, place);
  const state = source === undefined ? undefined : await inspectImage(session, source);
  if (source === undefined || state?.kind !== 'volume') return { entries: [] };
  const { info } = state;
  const snapshots = (await listSnapshots(session, { ...source, imageId: info.imageId })) ?? [];
  const positions = snapshots.filter(isUserSnapshot).map(snapshot => ({
    key: snapshot.name,
    value: snapshotOf(place.clusterId, source, info, snapshot),
  }));
  return readPage(positions, request, snapshot => Promise.resolve(snapshot));
}
