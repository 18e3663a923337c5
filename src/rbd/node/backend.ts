import { join } from 'node:path';
import { readImage } from '../../ceph/rbd-image.ts';
import type { ClusterSource } from '../../config/clusters.ts';
import type { ReadAffinity } from '../../config/read-affinity.ts';
import type { Exec } from '../../exec/command.ts';
import type { Context } from '../../model/call.ts';
import { DriverError } from '../../model/errors.ts';
import type { NodeBackend, NodeExpandRequest, UnstageRequest } from '../../model/node-backend.ts';
import type { VolumeCondition } from '../../model/volume.ts';
import { findMountedDevice, readDevice, readDeviceSize, type BlockDevice } from '../../mount/block-device.ts';
import { FILE_SYSTEM_TYPES } from '../../mount/file-system-type.ts';
import { growFileSystem } from '../../mount/growth.ts';
import { listMounts, type Host } from '../../mount/host.ts';
import { mountsOfDevice } from '../../mount/mountinfo.ts';
import { findStagedDevice, unstagePath } from '../../mount/staging.ts';
import { createFuseMapper } from './mappers/fuse.ts';
import { createKernelMapper } from './mappers/krbd.ts';
import type { Mapper, NodeImage } from './mappers/mapper.ts';
import { createNbdMapper } from './mappers/nbd.ts';
import { createNoteStore } from './note.ts';
import { findMapping, mappersOf, type NodeParts, type OwnedMapping } from './parts.ts';
import { planStage } from './request.ts';
import { ensureDeviceSize } from './size.ts';
import { stageImage } from './stage.ts';
import { unmapImage, unmapNoted } from './unmapping.ts';
import { decodeVolumePlace } from '../places.ts';
import { createSessions, type Sessions } from '../sessions.ts';
import type { Mounter } from '../volume-context.ts';

export interface RbdNodeDependencies {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  /** How images are mapped where a volume's class names no mounter. */
  readonly mapper: Mounter | 'auto';
  /** A directory that outlives the driver: the node's notes, and the sockets and mount points of its exports. */
  readonly stateDir: string;
  /** Default: reads go to any replica. */
  readonly readAffinity?: ReadAffinity;
  /** Instead of krbd, nbd and fuse, in this order. */
  readonly mappers?: readonly Mapper[];
}

/** The ways to map that the driver knows, the preferred first. */
export function createMappers({
  exec,
  stateDir,
  readAffinity,
}: Pick<RbdNodeDependencies, 'exec' | 'stateDir' | 'readAffinity'>): readonly Mapper[] {
  return [
    createKernelMapper({ exec, ...(readAffinity === undefined ? {} : { readAffinity }) }),
    createNbdMapper({ exec }),
    createFuseMapper({ directory: join(stateDir, 'fuse') }),
  ];
}

/** The image of a volume, from the node's note of it or its ID; undefined when neither tells. */
async function findImage(parts: NodeParts, volumeId: string): Promise<NodeImage | undefined> {
  const note = await parts.notes.read(volumeId);
  if (note !== undefined) return note.image;
  const place = decodeVolumePlace(volumeId);
  return place === undefined ? undefined : { volumeId, ...place };
}

async function unstageVolume(request: UnstageRequest, parts: NodeParts, host: Host): Promise<void> {
  const { volumeId, stagingPath } = request;
  await unstagePath({ stagingPath }, host);
  const note = await parts.notes.read(volumeId);
  if (note !== undefined) {
    await unmapNoted(parts, note, host);
    return;
  }
  const image = await findImage(parts, volumeId);
  if (image !== undefined) await unmapImage(parts.mappers, image, [], host);
}

interface StagedVolume {
  readonly image: NodeImage;
  readonly mapping: OwnedMapping;
  /** What is mounted. */
  readonly device: BlockDevice;
}

/** @throws DriverError `not-found` when the volume is not staged on this node. */
async function requireStaged(
  request: NodeExpandRequest,
  parts: NodeParts,
  host: Host,
): Promise<StagedVolume> {
  const { volumeId, volumePath, stagingPath } = request;
  const note = await parts.notes.read(volumeId);
  const image = await findImage(parts, volumeId);
  const mapping = image === undefined ? undefined : await findMapping(mappersOf(parts, note), image, host);
  if (image === undefined || mapping === undefined) {
    throw new DriverError('not-found', `volume_id: volume ${volumeId} is not staged on this node`);
  }
  const device = await readDevice(mapping.dataDevice);
  const mounted =
    (await findMountedDevice({ path: volumePath }, host)) ??
    (await findStagedDevice({ stagingPath: stagingPath ?? volumePath }, host));
  if (mounted?.number === device.number) return { image, mapping, device };
  throw new DriverError('not-found', `volume_path: volume ${volumeId} is not published at ${volumePath}`);
}

/** The image's size where the request has secrets to ask with; else the device tells. */
async function readImageSize(
  request: NodeExpandRequest,
  image: NodeImage,
  sessions: Sessions,
  context: Context,
): Promise<bigint | undefined> {
  if (request.secrets['userKey'] === undefined) return undefined;
  return (await readImage(sessions.open(image.clusterId, request.secrets, context), image))?.sizeBytes;
}

/** Grows the file system through a mount that is writable; a raw block volume and a read-only one have none. */
async function growMounted(device: BlockDevice, host: Host): Promise<void> {
  const mounts = mountsOfDevice(await listMounts(host), device);
  const writable = mounts.find(({ options, root }) => options.includes('rw') && root === '/');
  const fsType = FILE_SYSTEM_TYPES.find(type => type === writable?.fsType);
  if (writable === undefined || fsType === undefined) return;
  await growFileSystem({ device: device.path, fsType, path: writable.path }, host);
}

async function describeCondition(
  request: UnstageRequest,
  parts: NodeParts,
  host: Host,
): Promise<VolumeCondition | undefined> {
  const { volumeId } = request;
  const note = await parts.notes.read(volumeId);
  const image = await findImage(parts, volumeId);
  if (image === undefined) return undefined;
  const mapping = await findMapping(mappersOf(parts, note), image, host);
  const fault = mapping === undefined ? 'its image is not mapped any more' : mapping.fault;
  if (fault === undefined) return undefined;
  const message = `volume ${volumeId}: ${fault}; delete the Pods that use it here, and it is staged anew`;
  return { abnormal: true, message };
}

/** RBD images as volumes of this node. */
export function createRbdNode(dependencies: RbdNodeDependencies): NodeBackend {
  const { exec, clusters, stateDir } = dependencies;
  const sessions = createSessions(exec, clusters);
  const parts: NodeParts = {
    mappers: dependencies.mappers ?? createMappers(dependencies),
    preference: dependencies.mapper,
    notes: createNoteStore(join(stateDir, 'volumes')),
  };

  return {
    async stageVolume(request, context) {
      await stageImage(planStage(request, sessions, context), parts, { exec, context });
    },
    unstageVolume: async (request, context) => await unstageVolume(request, parts, { exec, context }),
    async expandVolume(request, context) {
      const host = { exec, context };
      const { image, mapping, device } = await requireStaged(request, parts, host);
      const size = await readImageSize(request, image, sessions, context);
      await ensureDeviceSize(mapping, image, size, host);
      await growMounted(device, host);
      // The size that was asked for, with the header of an encrypted volume.
      return await readDeviceSize(await readDevice(mapping.device));
    },
    checkVolume: async (request, context) => await describeCondition(request, parts, { exec, context }),
  };
}
