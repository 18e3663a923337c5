import { dirname } from 'node:path';
import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { printSnapshotPlace, type SnapshotPlace } from '../ceph/fs-snapshot.ts';
import {
  createSubvolume,
  listSubvolumes,
  readSubvolume,
  removeSubvolume,
  requireSubvolume,
  type ReadySubvolume,
} from '../ceph/fs-subvolume.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { CephfsSnapshotHandle, CephfsVolumeHandle } from '../model/handle.ts';
import type { Volume, VolumeSpec } from '../model/volume.ts';
import { requireReaders } from './capabilities.ts';
import { conflict, type Creation } from './creation.ts';
import type { Environment } from './environment.ts';
import { chooseViewName, isView, viewGroup, viewPrefix } from './names.ts';
import type { VolumeParameters } from './parameters.ts';
import { parsePins } from './pins.ts';
import { isRemovalAnnounced } from './snapshot-index.ts';
import { writeVolumeContext } from './volume-context.ts';
import { locateSource, requireSnapshot } from './volume-source.ts';

/*
 * A view shows a snapshot as a volume, without a copy. An empty subvolume stands for it, in a group beside that of the
 * snapshot, and its name begins with the snapshot's digest. So the subvolume is the volume and the reference to the snapshot in
 * one: both are there or neither is, whenever the driver is killed.
 */

type ViewParameters = Pick<VolumeParameters, 'clusterId' | 'fsName'>;

function requireBacking(spec: VolumeSpec, home: ViewParameters): CephfsSnapshotHandle {
  const source = spec.source === undefined ? undefined : locateSource(spec.source, home);
  if (source?.type === 'snapshot') return source.place;
  throw new DriverError(
    'invalid-argument',
    'parameters: backingSnapshot: "true" makes views of snapshots, and volume_content_source is ' +
      `${source === undefined ? 'empty' : 'a volume'}; give a snapshot, or a class without backingSnapshot`,
  );
}

/** Where the view is that a request asks for. @throws DriverError `invalid-argument`, `not-found` */
export function locateView(spec: VolumeSpec, home: ViewParameters): CephfsVolumeHandle {
  const place = requireBacking(spec, home);
  const { backend, clusterId, fsName, group } = place;
  return { backend, clusterId, fsName, group: viewGroup(group), subvolume: chooseViewName(place, spec.name) };
}

/** @throws DriverError `invalid-argument` for a view: it has no files of its own. */
export function refuseView({ subvolume }: CephfsVolumeHandle, field: string, purpose: string): void {
  if (!isView(subvolume)) return;
  throw new DriverError(
    'invalid-argument',
    `${field}: "${subvolume}" is a read-only view of a snapshot, which ${purpose}`,
  );
}

/** The subvolumes that stand for views of a snapshot, sorted. */
export async function listViews(place: SnapshotPlace, access: ClusterAccess): Promise<readonly string[]> {
  const prefix = viewPrefix(place);
  const at = { fsName: place.fsName, group: viewGroup(place.group) };
  return (await listSubvolumes(at, access)).filter(name => name.startsWith(prefix));
}

async function ensureStandIn({ target, access }: Creation): Promise<ReadySubvolume> {
  const present = await readSubvolume(target, access);
  if (present.state === 'ready') return present;
  if (present.state !== 'absent') throw conflict(target, 'is not a view of a snapshot');
  await createSubvolume(target, access);
  return await requireSubvolume(target, 'name', access);
}

/**
 * A deletion of the snapshot announces itself before it looks for views, and this looks for that after the view is
 * there: of the two at least one sees the other, and gives way.
 */
async function requireStaying(
  place: CephfsSnapshotHandle,
  creation: Creation,
  environment: Environment,
): Promise<void> {
  await requireSnapshot(place, creation);
  if (!(await isRemovalAnnounced(place, creation.access, environment))) return;
  throw new DriverError(
    'aborted',
    `volume_content_source: snapshot ${printSnapshotPlace(place)} is being deleted; repeat the call`,
  );
}

/**
 * Makes a view of the snapshot that the request names. Its size is what was asked, since nothing is written to it.
 * @throws DriverError `invalid-argument` unless it is for readers only, `not-found` when the snapshot is gone,
 *   `aborted` while that is being deleted.
 */
export async function createView(
  creation: Creation,
  environment: Environment,
): Promise<Pick<Volume, 'capacityBytes' | 'context'>> {
  const { spec, parameters, target, access } = creation;
  requireReaders(spec.capabilities);
  if (parsePins(spec.mutableParameters).length > 0) refuseView(target, 'mutable_parameters', 'has none');
  const place = requireBacking(spec, parameters);
  const standIn = await ensureStandIn(creation);
  try {
    await requireStaying(place, creation, environment);
  } catch (error) {
    if (isErrorOfKind(error, 'not-found', 'permission-denied')) await removeSubvolume(target, {}, access);
    throw error;
  }
  // <groups>/<group>/<subvolume>/<a directory for the files>: the snapshot's subvolume is in a group beside this one.
  const groups = dirname(dirname(dirname(standIn.path)));
  const path = `${groups}/${place.group}/${place.subvolume}`;
  return {
    capacityBytes: spec.capacity.requiredBytes ?? 0n,
    context: writeVolumeContext(spec.parameters, { path, snapshot: place.snapshot }),
  };
}
