import type { ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import { growImage } from '../ceph/rbd-image.ts';
import type { Exec } from '../exec/command.ts';
import { chooseSize, fitsRange, MIB } from '../model/bytes.ts';
import type { Context, Log } from '../model/call.ts';
import type { ControllerBackend, ExpandRequest, ExpandResult } from '../model/controller-backend.ts';
import { DriverError, isErrorOfKind } from '../model/errors.ts';
import { explainUnsupported, requireSupported } from './access-modes.ts';
import { requireVolume } from './image-state.ts';
import { decodeVolumePlace, requireVolumePlace } from './places.ts';
import { createPurger } from './purger.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { ensureEmptyVolume } from './volume-creation.ts';
import { deleteVolume, type OnTrashed } from './volume-deletion.ts';
import { planVolume } from './volume-plan.ts';

export interface RbdControllerOptions {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  readonly log: Log;
  /** The driver's own Ceph users; without it, what needs one is not offered: listing, capacity, GetVolume. */
  readonly ownCredentials?: CredentialSource;
}

export interface RbdController extends ControllerBackend {
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

/** The Controller service's backend for RBD images. */
export function createRbdController(options: RbdControllerOptions): RbdController {
  const { exec, clusters, log, ownCredentials } = options;
  const sessions = createSessions(exec, clusters, ownCredentials);
  const purger = createPurger(log);
  const onTrashed: OnTrashed = (session, ref) => purger.add(session, ref);

  return {
    chooseVolumeId(spec) {
      return planVolume(spec, sessions, log).volumeId;
    },

    async createVolume(spec, context) {
      const plan = planVolume(spec, sessions, context.log);
      const session = sessions.open(plan.parameters.clusterId, spec.secrets, context);
      return ensureEmptyVolume(session, plan);
    },

    async deleteVolume({ volumeId, secrets }, context) {
      const place = decodeVolumePlace(volumeId);
      if (place === undefined) return;
      const session = sessions.open(place.clusterId, secrets, context);
      try {
        await deleteVolume(session, place, onTrashed);
      } catch (error) {
        // A pool that is gone took the volume with it.
        if (!isErrorOfKind(error, 'not-found')) throw error;
      }
    },

    async validateVolume({ volumeId, secrets, capabilities }, context) {
      const place = requireVolumePlace(volumeId);
      await requireVolume(sessions.open(place.clusterId, secrets, context), place);
      return explainUnsupported(capabilities);
    },

    expandVolume: (request, context) => expandVolume(sessions, request, context),

    drain: () => purger.drain(),
  };
}
