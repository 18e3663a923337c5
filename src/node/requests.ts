import type { NodeExpandVolumeRequest__Output } from '../gen/csi/v1/NodeExpandVolumeRequest.ts';
import type { NodeGetVolumeStatsRequest__Output } from '../gen/csi/v1/NodeGetVolumeStatsRequest.ts';
import type { NodePublishVolumeRequest__Output } from '../gen/csi/v1/NodePublishVolumeRequest.ts';
import type { NodeStageVolumeRequest__Output } from '../gen/csi/v1/NodeStageVolumeRequest.ts';
import type { NodeUnpublishVolumeRequest__Output } from '../gen/csi/v1/NodeUnpublishVolumeRequest.ts';
import type { NodeUnstageVolumeRequest__Output } from '../gen/csi/v1/NodeUnstageVolumeRequest.ts';
import { isReaderOnly, parseCapability } from '../grpc/capabilities.ts';
import { parseCapacityRange, parseMap, parseSecrets, requireText } from '../grpc/fields.ts';
import { DriverError } from '../model/errors.ts';
import type { NodeExpandRequest, StageRequest, UnstageRequest } from '../model/node-backend.ts';
import type { VolumeCapability } from '../model/volume.ts';
import { parsePath, parseVolumePath } from './paths.ts';

/** With what it takes to stage the volume anew, should it be dead. */
export interface PublishRequest extends StageRequest {
  readonly targetPath: string;
  readonly readOnly: boolean;
}

export interface UnpublishRequest {
  readonly volumeId: string;
  readonly targetPath: string;
}

export interface StatisticsRequest {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly stagingPath?: string;
}

/** @throws DriverError `invalid-argument` naming the field. */
export async function parseStage(wire: NodeStageVolumeRequest__Output): Promise<StageRequest> {
  return {
    volumeId: requireText(wire.volume_id, 'volume_id'),
    stagingPath: await parsePath(wire.staging_target_path, 'staging_target_path'),
    capability: parseCapability(wire.volume_capability, 'volume_capability'),
    context: parseMap(wire.volume_context, 'volume_context'),
    publishContext: parseMap(wire.publish_context, 'publish_context'),
    secrets: parseSecrets(wire.secrets),
  };
}

/** @throws DriverError `invalid-argument` naming the field. */
export async function parseUnstage(wire: NodeUnstageVolumeRequest__Output): Promise<UnstageRequest> {
  return {
    volumeId: requireText(wire.volume_id, 'volume_id'),
    stagingPath: await parsePath(wire.staging_target_path, 'staging_target_path'),
  };
}

/**
 * A device node can be written to through whatever mount shows it: only a device that was mapped read-only keeps
 * a pod from writing, which staging does for the reader-only modes.
 */
function refuseReadOnlyBlock(readOnly: boolean, { access, mode }: VolumeCapability): void {
  if (readOnly && access.type === 'block' && !isReaderOnly(mode)) {
    throw new DriverError(
      'invalid-argument',
      `readonly: a raw block volume with access mode ${mode} cannot be published read-only; use an access mode ` +
        'that is read-only (ReadOnlyMany in Kubernetes), with which the device itself refuses writes',
    );
  }
}

/** @throws DriverError `invalid-argument` naming the field, `failed-precondition` without a staging path. */
export async function parsePublish(wire: NodePublishVolumeRequest__Output): Promise<PublishRequest> {
  const volumeId = requireText(wire.volume_id, 'volume_id');
  const targetPath = await parsePath(wire.target_path, 'target_path');
  const capability = parseCapability(wire.volume_capability, 'volume_capability');
  refuseReadOnlyBlock(wire.readonly, capability);
  const context = parseMap(wire.volume_context, 'volume_context');
  const publishContext = parseMap(wire.publish_context, 'publish_context');
  const secrets = parseSecrets(wire.secrets);
  if (wire.staging_target_path === '') {
    throw new DriverError(
      'failed-precondition',
      'staging_target_path: is empty; volumes are published from where NodeStageVolume staged them',
    );
  }
  const stagingPath = await parsePath(wire.staging_target_path, 'staging_target_path');
  const staging = { volumeId, stagingPath, capability, context, publishContext, secrets };
  return { ...staging, targetPath, readOnly: wire.readonly };
}

/** @throws DriverError `invalid-argument` naming the field. */
export async function parseUnpublish(wire: NodeUnpublishVolumeRequest__Output): Promise<UnpublishRequest> {
  return {
    volumeId: requireText(wire.volume_id, 'volume_id'),
    targetPath: await parsePath(wire.target_path, 'target_path'),
  };
}

async function parseStagingPath(path: string): Promise<{ readonly stagingPath?: string }> {
  return path === '' ? {} : { stagingPath: await parsePath(path, 'staging_target_path') };
}

/** @throws DriverError `invalid-argument` naming the field, `not-found` for a path that no volume can have. */
export async function parseStatistics(wire: NodeGetVolumeStatsRequest__Output): Promise<StatisticsRequest> {
  return {
    volumeId: requireText(wire.volume_id, 'volume_id'),
    volumePath: await parseVolumePath(wire.volume_path),
    ...(await parseStagingPath(wire.staging_target_path)),
  };
}

/** @throws DriverError `invalid-argument` naming the field, `not-found` for a path that no volume can have. */
export async function parseExpand(wire: NodeExpandVolumeRequest__Output): Promise<NodeExpandRequest> {
  const volumeId = requireText(wire.volume_id, 'volume_id');
  parseCapacityRange(wire.capacity_range);
  if (wire.volume_capability !== null) parseCapability(wire.volume_capability, 'volume_capability');
  return {
    volumeId,
    volumePath: await parseVolumePath(wire.volume_path),
    secrets: parseSecrets(wire.secrets),
    ...(await parseStagingPath(wire.staging_target_path)),
  };
}
