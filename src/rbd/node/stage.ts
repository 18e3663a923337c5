import { DriverError, isErrorOfKind } from '../../model/errors.ts';
import type { FileSystemType } from '../../mount/file-system-type.ts';
import { withoutDeadline, type Host } from '../../mount/host.ts';
import { mergeMountOptions } from '../../mount/mount-options.ts';
import {
  findStagedDevice,
  stageBlockDevice,
  stageFileSystem,
  unstagePath,
  type FileSystemStaging,
} from '../../mount/staging.ts';
import { createFormatMark } from './format-mark.ts';
import { ensureMapping } from './mapping.ts';
import { findMapping, type NodeParts, type OwnedMapping } from './parts.ts';
import type { StagePlan } from './request.ts';
import { unmapNoted } from './unmapping.ts';

/** The key of the image's metadata that is there while its first file system is being made. */
const FORMATTING_KEY = 'csi-driver-ceph.formatting';

/** Options by which a file system is mounted whose log cannot be replayed, since its device is read-only. */
const WITHOUT_REPLAY: Readonly<Record<FileSystemType, string>> = {
  ext4: 'noload',
  xfs: 'norecovery',
  btrfs: 'rescue=nologreplay',
};

/** A crash-consistent copy, such as a restored snapshot, has a log that nobody has replayed yet. */
async function mountReadOnly(request: FileSystemStaging, host: Host): Promise<void> {
  try {
    await stageFileSystem(request, host);
  } catch (error) {
    if (!isErrorOfKind(error, 'failed-precondition')) throw error;
    const options = mergeMountOptions(request.options, [WITHOUT_REPLAY[request.fsType]]);
    await stageFileSystem({ ...request, options }, host).catch(() => {
      throw error;
    });
    const { device, fsType, stagingPath } = request;
    host.context.log.warn(
      { device, fsType, stagingPath },
      'mounted without its log, which can only be replayed writable: the last changes before the copy may be missing',
    );
  }
}

async function mountMapping(plan: StagePlan, mapping: OwnedMapping, host: Host): Promise<void> {
  const { access, stagingPath, volume } = plan;
  const { dataDevice: device, readOnly } = mapping;
  if (readOnly !== plan.readOnly) {
    const [is, wanted] = readOnly ? ['read-only', 'writable'] : ['writable', 'read-only'];
    throw new DriverError(
      'already-exists',
      `staging_target_path: ${stagingPath}: the volume is staged here ${is}, and was asked for ${wanted}`,
    );
  }
  if (access.type === 'block') {
    await stageBlockDevice({ device, stagingPath }, host);
    return;
  }
  const { mkfsOptions } = volume;
  const request: FileSystemStaging = {
    device,
    stagingPath,
    fsType: access.fsType,
    options: access.options,
    ...(mkfsOptions === undefined ? {} : { mkfsOptions }),
    mark: createFormatMark(plan, FORMATTING_KEY),
  };
  await (readOnly ? mountReadOnly(request, host) : stageFileSystem(request, host));
}

/**
 * The mapping of what is staged at the staging path already; undefined when nothing is. A mount whose device is dead
 * or gone is taken away first: nothing can be read from it or written to it any more.
 * @throws DriverError `failed-precondition` when something else is mounted there, or the dead device is still mounted
 *   elsewhere.
 */
async function findStaged(plan: StagePlan, parts: NodeParts, host: Host): Promise<OwnedMapping | undefined> {
  const { stagingPath, image } = plan;
  const note = await parts.notes.read(image.volumeId);
  const mapping = await findMapping(parts.mappers, note?.image ?? image, host);
  const staged = await findStagedDevice({ stagingPath }, host);
  if (mapping?.fault === undefined) {
    if (staged === undefined) return undefined;
    if (staged.path === mapping?.dataDevice) return mapping;
  }
  if (
    note === undefined ||
    (mapping !== undefined && staged !== undefined && staged.path !== mapping.dataDevice)
  ) {
    throw new DriverError(
      'failed-precondition',
      `staging_target_path: ${stagingPath}: ${staged?.path ?? 'a device'} is staged here, which is not volume ` +
        `${image.volumeId}; unmount it first`,
    );
  }
  host.context.log.warn(
    { volumeId: image.volumeId, stagingPath, fault: mapping?.fault ?? 'its mapping is gone' },
    'what is staged is dead: it is taken away, and staged anew',
  );
  await unstagePath({ stagingPath }, host);
  await unmapNoted(parts, note, host);
  return undefined;
}

/**
 * Maps the image and mounts it, or its device node, at the staging path. Staged already: nothing is done. A failure
 * takes away what this call made, and no more.
 */
export async function stageImage(plan: StagePlan, parts: NodeParts, host: Host): Promise<void> {
  const staged = await findStaged(plan, parts, host);
  if (staged !== undefined) {
    await mountMapping(plan, staged, host);
    return;
  }
  const { mapping, isNew } = await ensureMapping(plan, parts, host);
  try {
    await mountMapping(plan, mapping, host);
  } catch (error) {
    if (isNew) await undoStage(plan, parts, withoutDeadline(host)).catch(() => undefined);
    throw error;
  }
}

/** What remains, if this fails too, is found by the next call. */
async function undoStage(plan: StagePlan, parts: NodeParts, host: Host): Promise<void> {
  await unstagePath(plan, host);
  const note = await parts.notes.read(plan.image.volumeId);
  if (note !== undefined) await unmapNoted(parts, note, host);
}
