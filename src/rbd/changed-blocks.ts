import { diffSnapshot, type DiffRange } from '../ceph/rbd-diff.ts';
import { readImageById } from '../ceph/rbd-image.ts';
import { poolSpec, type CephSession, type ImageRef } from '../ceph/rbd-session.ts';
import { listSnapshots, type SnapshotInfo } from '../ceph/rbd-snapshot.ts';
import type { ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { ExecStream } from '../exec/stream.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type {
  AllocatedRequest,
  BlockRange,
  DeltaRequest,
  SnapshotBlocks,
  SnapshotMetadataBackend,
} from '../model/snapshot-metadata-backend.ts';
import { requireSnapshotPlace, type SnapshotPlace } from './places.ts';
import { createSessions } from './sessions.ts';
import { isUserSnapshot } from './snapshot-kind.ts';

/** Snapshots as `rbd` names them, and what the image is called now. */
interface FoundSnapshots {
  readonly image: ImageRef;
  readonly snapshots: readonly SnapshotInfo[];
}

async function findSnapshots(session: CephSession, place: SnapshotPlace): Promise<FoundSnapshots> {
  const [info, snapshots] = await Promise.all([readImageById(session, place), listSnapshots(session, place)]);
  if (info === undefined) return { image: { ...place, image: '' }, snapshots: [] };
  return { image: { ...place, image: info.name }, snapshots: (snapshots ?? []).filter(isUserSnapshot) };
}

function requireSnapshot(found: FoundSnapshots, number: bigint, field: string): SnapshotInfo {
  const snapshot = found.snapshots.find(candidate => candidate.number === number);
  if (snapshot?.kind === 'group') {
    throw new DriverError(
      'failed-precondition',
      `${field}: Ceph does not tell the blocks of a snapshot that is part of a group snapshot`,
    );
  }
  if (snapshot !== undefined) return snapshot;
  throw new DriverError('not-found', `${field}: there is no such snapshot in ${poolSpec(found.image)}`);
}

function requireWithin(offset: bigint, { sizeBytes }: SnapshotInfo): void {
  if (offset <= sizeBytes) return;
  throw new DriverError(
    'out-of-range',
    `starting_offset: ${String(offset)} is beyond the snapshot's size, ${String(sizeBytes)} bytes`,
  );
}

/** @throws DriverError `invalid-argument` unless both are of one image, the base not later than the target. */
function requirePair(base: SnapshotPlace, target: SnapshotPlace): void {
  const imageOf = ({ clusterId, imageId, ...ref }: SnapshotPlace) =>
    [clusterId, poolSpec(ref), imageId].join(' ');
  if (imageOf(base) !== imageOf(target)) {
    throw new DriverError(
      'invalid-argument',
      'base_snapshot_id: it is a snapshot of another volume than target_snapshot_id',
    );
  }
  // Ceph numbers the snapshots of a pool in the order in which they are made.
  if (base.snapshotNumber > target.snapshotNumber) {
    throw new DriverError(
      'invalid-argument',
      'base_snapshot_id: it is later than target_snapshot_id; give the earlier one as base',
    );
  }
}

/** The ranges from `start` on; of one that begins before it, what lies behind. */
async function* rangesFrom(
  start: bigint,
  diff: AsyncIterable<readonly DiffRange[]>,
  isWanted: (range: DiffRange) => boolean,
): AsyncGenerator<readonly BlockRange[], void, undefined> {
  for await (const ranges of diff) {
    yield ranges
      .filter(range => isWanted(range) && range.offset + range.length > start)
      .map(({ offset, length }) =>
        offset >= start ? { offset, length } : { offset: start, length: offset + length - start },
      );
  }
}

export interface RbdChangedBlocksOptions {
  readonly exec: Exec;
  readonly execStream: ExecStream;
  readonly clusters: ClusterSource;
  /** The driver's own Ceph users, for requests without secrets. */
  readonly ownCredentials?: CredentialSource;
}

/** The SnapshotMetadata service's backend for RBD images: changed blocks as `rbd diff` tells them. */
export function createRbdChangedBlocks(options: RbdChangedBlocksOptions): SnapshotMetadataBackend {
  const { exec, execStream, clusters, ownCredentials } = options;
  const sessions = createSessions(exec, clusters, ownCredentials);

  return {
    async listAllocated(request: AllocatedRequest, context: Context): Promise<SnapshotBlocks> {
      const { startingOffset, secrets } = request;
      const place = requireSnapshotPlace(request.snapshotId);
      const session = sessions.open(place.clusterId, secrets, context);
      const found = await findSnapshots(session, place);
      const target = requireSnapshot(found, place.snapshotNumber, 'snapshot_id');
      requireWithin(startingOffset, target);
      const diff = diffSnapshot(execStream, session, found.image, { target: target.name });
      return {
        volumeCapacityBytes: target.sizeBytes,
        ranges: rangesFrom(startingOffset, diff, ({ exists }) => exists),
      };
    },

    async listChanged(request: DeltaRequest, context: Context): Promise<SnapshotBlocks> {
      const { startingOffset, secrets } = request;
      const basePlace = requireSnapshotPlace(request.baseSnapshotId, 'base_snapshot_id');
      const place = requireSnapshotPlace(request.targetSnapshotId, 'target_snapshot_id');
      requirePair(basePlace, place);
      const session = sessions.open(place.clusterId, secrets, context);
      const found = await findSnapshots(session, place);
      const base = requireSnapshot(found, basePlace.snapshotNumber, 'base_snapshot_id');
      const target = requireSnapshot(found, place.snapshotNumber, 'target_snapshot_id');
      requireWithin(startingOffset, target);
      const diff = diffSnapshot(execStream, session, found.image, { base: base.name, target: target.name });
      // What was discarded since is a change, too: it reads as zeros now.
      return { volumeCapacityBytes: target.sizeBytes, ranges: rangesFrom(startingOffset, diff, () => true) };
    },
  };
}
