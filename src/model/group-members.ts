import { DriverError } from './errors.ts';
import type { VolumeGroupSnapshot } from './group-snapshot-backend.ts';

/** @throws DriverError `invalid-argument` when the caller takes others for the group's snapshots. */
export function requireMembers(snapshotIds: readonly string[], { snapshots }: VolumeGroupSnapshot): void {
  if (snapshotIds.length === 0) return;
  const known = new Set(snapshots.map(({ snapshotId }) => snapshotId));
  const other = snapshotIds.find(id => !known.has(id));
  if (other === undefined && new Set(snapshotIds).size === known.size) return;
  throw new DriverError(
    'invalid-argument',
    'snapshot_ids: ' +
      (other === undefined
        ? 'some of the group snapshot are missing'
        : `"${other}" is not of the group snapshot`),
  );
}
