import { canRestoreFromGroups } from '../ceph/rbd-group.ts';
import { growImage } from '../ceph/rbd-image.ts';
import { imageSpec, type CephSession } from '../ceph/rbd-session.ts';
import type { SessionServers } from '../ceph/session-servers.ts';
import type { ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import { createAvailability } from '../exec/availability.ts';
import type { Exec } from '../exec/command.ts';
import { chooseSize, fitsRange, MIB } from '../model/bytes.ts';
import type { Context, Log } from '../model/call.ts';
import type {
  ControllerBackend,
  ExpandRequest,
  ExpandResult,
  ModifyRequest,
  SnapshotReference,
  ValidateRequest,
  VolumeReference,
} from '../model/controller-backend.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import type { GroupSnapshotBackend } from '../model/group-snapshot-backend.ts';
import { chooseName } from '../model/name.ts';
import type { Secrets } from '../model/secret.ts';
import type { Page, Snapshot, SnapshotSpec, Volume, VolumeSpec } from '../model/volume.ts';
import { explainUnsupported, requireSupported } from './access-modes.ts';
import { createBackground } from './upkeep/background.ts';
import { readCapacity } from './capacity.ts';
import { createFlattener } from './upkeep/flattener.ts';
import { createGroupController } from './groups/controller.ts';
import { requireVolume, type OnTrashed } from './image-state.ts';
import { DEFAULT_LIMITS, type RbdLimits } from './limits.ts';
import { listAllSnapshots, listVolumes, listVolumeSnapshots, readVolume } from './listing.ts';
import { parseSnapshotPrefix } from './parameters.ts';
import {
  decodeSnapshotPlace,
  decodeVolumePlace,
  requireSnapshotPlace,
  requireVolumePlace,
} from './places.ts';
import { createPurger } from './upkeep/purger.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { deleteSnapshot, ensureSnapshot, readSnapshot } from './snapshots.ts';
import { SILENCE } from '../model/silence.ts';
import { createSweeper, type Sweeper } from './upkeep/sweeper.ts';
import { ensureClonedVolume, ensureRestoredVolume, type CopyTools } from './volume-copy.ts';
import { ensureEmptyVolume, findElsewhere } from './volume-creation.ts';
import { deleteVolume } from './volume-deletion.ts';
import { modifyVolume } from './volume-modification.ts';
import { planVolume, type VolumePlan } from './volume-plan.ts';

export interface RbdControllerOptions {
  readonly exec: Exec;
  /** Connections that stay open; absent: each Ceph command is a process. */
  readonly servers?: SessionServers;
  readonly clusters: ClusterSource;
  readonly log: Log;
  /** The driver's own Ceph users; without it, what needs one is not offered: listing, capacity, GetVolume. */
  readonly ownCredentials?: CredentialSource;
  readonly limits?: Partial<RbdLimits>;
}

export interface RbdController extends ControllerBackend, GroupSnapshotBackend {
  /** Resumes what an earlier driver did not finish, in the background. */
  start(): void;
  /** How much the background work has before it. */
  countWork(): { readonly purgesPending: number; readonly flatteningsPending: number };
  /** Ends the background work: starts nothing more, and resolves when what runs has ended. */
  drain(): Promise<void>;
}

/** @throws DriverError `out-of-range` when the volume is larger than the limit already. */
async function expandVolume(
  sessions: Sessions,
  request: ExpandRequest,
  context: Context,
): Promise<ExpandResult> {
  if (request.capability !== undefined) requireSupported([request.capability]);
  const place = requireVolumePlace(request.volumeId);
  const session = sessions.open(place.clusterId, request.secrets, context);
  const { info } = await requireVolume(session, place);
  // An image is never made smaller: that would cut off its file system.
  const nodeExpansionRequired = true;
  if (fitsRange(info.sizeBytes, request.capacity)) {
    return { capacityBytes: info.sizeBytes, nodeExpansionRequired };
  }
  const size = chooseSize(request.capacity, MIB, info.sizeBytes);
  if (size < info.sizeBytes) {
    throw new DriverError(
      'out-of-range',
      `capacity_range: the volume has ${String(info.sizeBytes)} bytes, more than limit_bytes`,
    );
  }
  await growImage(session, place, size);
  return { capacityBytes: size, nodeExpansionRequired };
}

/** What is offered where the driver has Ceph users of its own: these calls carry no secrets. */
function createReader(sessions: Sessions): Partial<ControllerBackend> {
  return {
    getVolume: (volumeId, context) => readVolume(sessions, volumeId, context),
    listVolumes: (request, context) => listVolumes(sessions, request, context),
    getCapacity: (query, context) => readCapacity(sessions, query, context),
    async listSnapshots(query, context) {
      const { snapshotId, sourceVolumeId, secrets } = query;
      if (snapshotId !== undefined) return listOneSnapshot(sessions, snapshotId, secrets, context);
      if (sourceVolumeId === undefined) return listAllSnapshots(sessions, query, context);
      const place = decodeVolumePlace(sourceVolumeId);
      if (place === undefined) return { entries: [] };
      return listVolumeSnapshots(sessions.open(place.clusterId, secrets, context), place, query);
    },
  };
}

async function listOneSnapshot(
  sessions: Sessions,
  snapshotId: string,
  secrets: Secrets,
  context: Context,
): Promise<Page<Snapshot>> {
  const place = decodeSnapshotPlace(snapshotId);
  if (place === undefined) return { entries: [] };
  try {
    return { entries: [await readSnapshot(sessions.open(place.clusterId, secrets, context), place)] };
  } catch (error) {
    if (isErrorOfKind(error, 'not-found')) return { entries: [] };
    throw error;
  }
}

function createSnapshots(sessions: Sessions, tools: CopyTools) {
  return {
    createSnapshot(spec: SnapshotSpec, context: Context) {
      const prefix = parseSnapshotPrefix(spec.parameters, context.log);
      const place = requireVolumePlace(spec.sourceVolumeId, 'source_volume_id');
      const session = sessions.open(place.clusterId, spec.secrets, context);
      return ensureSnapshot(session, place, chooseName(prefix, spec.name), tools);
    },
    async deleteSnapshot({ snapshotId, secrets }: SnapshotReference, context: Context) {
      const place = decodeSnapshotPlace(snapshotId);
      if (place === undefined) return;
      const session = sessions.open(place.clusterId, secrets, context);
      await ignoreMissing(deleteSnapshot(session, place, tools.onTrashed));
    },
    async getSnapshot({ snapshotId, secrets }: SnapshotReference, context: Context) {
      const place = requireSnapshotPlace(snapshotId);
      return readSnapshot(sessions.open(place.clusterId, secrets, context), place);
    },
  };
}

/** For deletions: a pool that is gone took all that was in it with it. */
async function ignoreMissing(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isErrorOfKind(error, 'not-found')) throw error;
  }
}

function ensureVolumeOf(session: CephSession, plan: VolumePlan, tools: CopyTools): Promise<Volume> {
  switch (plan.source?.type) {
    case undefined:
      return ensureEmptyVolume(session, plan, tools.onTrashed);
    case 'snapshot':
      return ensureRestoredVolume(session, plan, plan.source.snapshotId, tools);
    case 'volume':
      return ensureClonedVolume(session, plan, plan.source.volumeId, tools);
  }
}

function createVolumes(sessions: Sessions, tools: CopyTools, sweeper: Sweeper) {
  return {
    chooseVolumeId: (spec: VolumeSpec) => planVolume(spec, sessions, SILENCE).volumeId,
    async createVolume(spec: VolumeSpec, context: Context) {
      const plan = planVolume(spec, sessions, context.log);
      const session = sessions.open(plan.parameters.clusterId, spec.secrets, context);
      const volume = (await findElsewhere(session, plan)) ?? (await ensureVolumeOf(session, plan, tools));
      sweeper.visit(session, plan.ref);
      return volume;
    },
    async deleteVolume({ volumeId, secrets }: VolumeReference, context: Context) {
      const place = decodeVolumePlace(volumeId);
      if (place === undefined) return;
      const session = sessions.open(place.clusterId, secrets, context);
      if (tools.flattener.isFlattening(session, place)) {
        throw new DriverError('aborted', `volume_id: image ${imageSpec(place)} is being flattened`);
      }
      await ignoreMissing(deleteVolume(session, place, tools.onTrashed));
      sweeper.visit(session, place);
    },
    async validateVolume(request: ValidateRequest, context: Context) {
      const place = requireVolumePlace(request.volumeId);
      await requireVolume(sessions.open(place.clusterId, request.secrets, context), place);
      return explainUnsupported(request.capabilities);
    },
    expandVolume: (request: ExpandRequest, context: Context) => expandVolume(sessions, request, context),
    modifyVolume: (request: ModifyRequest, context: Context) =>
      modifyVolume(sessions, tools.background, request, context),
  };
}

/** The Controller service's backend for RBD images. */
export function createRbdController(options: RbdControllerOptions): RbdController {
  const { exec, clusters, log, ownCredentials } = options;
  const sessions = createSessions(exec, clusters, ownCredentials, options.servers);
  const background = createBackground(log);
  const purger = createPurger(log);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const onTrashed: OnTrashed = (session, ref) => purger.add(session, ref);
  const tools: CopyTools = { background, flattener: createFlattener(background), limits, onTrashed };
  const sweeper = createSweeper(sessions, tools);

  return {
    ...createVolumes(sessions, tools, sweeper),
    ...createSnapshots(sessions, tools),
    ...createGroupController(sessions, tools, createAvailability(canRestoreFromGroups, exec, log)),
    ...(ownCredentials === undefined ? {} : createReader(sessions)),
    start: () => sweeper.start(),
    countWork: () => ({
      purgesPending: purger.countPending(),
      flatteningsPending: tools.flattener.countPending(),
    }),
    async drain() {
      await Promise.all([background.drain(), purger.drain()]);
    },
  };
}
