import { readImage } from '../ceph/rbd-image.ts';
import { imageSpec } from '../ceph/rbd-session.ts';
import { DriverError } from '../model/errors.ts';
import {
  findDeviceOfMount,
  isDeviceNode,
  readDevice,
  readDeviceSize,
  type BlockDevice,
} from '../mount/block-device.ts';
import { listMounts, pause, withoutDeadline, type Host } from '../mount/host.ts';
import { mountsOfDevice } from '../mount/mountinfo.ts';
import type { Mapper, Mapping, NodeImage } from './mappers/mapper.ts';
import { selectMapper } from './mappers/selection.ts';
import { requireNoWriter, requireSoleWriter, type IdentifiedImage } from './node-exclusion.ts';
import type { NoteStore, VolumeNote } from './node-note.ts';
import type { StagePlan } from './node-request.ts';
import type { Mounter } from './volume-context.ts';

/** Milliseconds between two looks at the size of a device, and the looks until it should have changed. */
const SIZE_PAUSE = 200;
const SIZE_LOOKS = 50;

export interface NodeParts {
  /** In the order of preference. */
  readonly mappers: readonly Mapper[];
  /** What is used where a volume names no mounter. */
  readonly preference: Mounter | 'auto';
  readonly notes: NoteStore;
}

/** A mapping and the mapper that made it. */
export interface OwnedMapping extends Mapping {
  readonly mapper: Mapper;
}

/** The image's mapping, by whichever mapper. */
export async function findMapping(
  mappers: readonly Mapper[],
  image: NodeImage,
  host: Host,
): Promise<OwnedMapping | undefined> {
  for (const mapper of mappers) {
    const mapping = await mapper.find(image, host);
    if (mapping !== undefined) return { ...mapping, mapper };
  }
  return undefined;
}

/** The mappers that may have mapped a volume: the noted one, or any when there is no note. */
export function mappersOf(parts: NodeParts, note: VolumeNote | undefined): readonly Mapper[] {
  return note === undefined ? parts.mappers : parts.mappers.filter(({ name }) => name === note.mounter);
}

/** Where a device is mounted, or its node is bind-mounted, or undefined. */
async function findUse(device: BlockDevice, host: Host): Promise<string | undefined> {
  const mounts = await listMounts(host);
  const [mounted] = mountsOfDevice(mounts, device);
  if (mounted !== undefined) return mounted.path;
  for (const mount of mounts.filter(isDeviceNode)) {
    if ((await findDeviceOfMount(mount))?.number === device.number) return mount.path;
  }
  return undefined;
}

/**
 * Takes a volume's mapping away, and what an interrupted one left. The mount table is asked first: rbd-nbd
 * disconnects a device that is in use without a question.
 * @throws DriverError `failed-precondition` naming where the device is still mounted.
 */
export async function unmapImage(
  mappers: readonly Mapper[],
  image: NodeImage,
  unmapOptions: readonly string[],
  host: Host,
): Promise<void> {
  for (const mapper of mappers) {
    const mapping = await mapper.find(image, host);
    if (mapping !== undefined) {
      const device = await readDevice(mapping.device);
      const path = await findUse(device, host);
      if (path !== undefined) {
        throw new DriverError(
          'failed-precondition',
          `volume ${image.volumeId}: ${mapping.device} is still mounted at ${path}; unpublish the volume there first`,
        );
      }
    }
    await mapper.unmap(image, unmapOptions, host);
  }
}

/** Takes away what the note tells of, and the note. */
export async function unmapNoted(parts: NodeParts, note: VolumeNote, host: Host): Promise<void> {
  await unmapImage(mappersOf(parts, note), note.image, note.unmapOptions, host);
  await parts.notes.remove(note.image.volumeId);
}

/**
 * Makes a device see the image's size. @throws DriverError `unavailable` when it does not within 10 s.
 */
export async function ensureDeviceSize(
  mapping: OwnedMapping,
  image: NodeImage,
  wanted: bigint | undefined,
  host: Host,
): Promise<void> {
  const device = await readDevice(mapping.device);
  if (wanted !== undefined && (await readDeviceSize(device)) >= wanted) return;
  await mapping.mapper.refresh(image, host);
  if (wanted === undefined || mapping.readOnly) return;
  for (let look = 1; (await readDeviceSize(device)) < wanted; look += 1) {
    if (look === SIZE_LOOKS || host.context.signal.aborted) {
      throw new DriverError(
        'unavailable',
        `volume ${image.volumeId}: ${device.path} has ${String(await readDeviceSize(device))} bytes, while image ` +
          `${imageSpec(image)} has ${String(wanted)}; the node has not seen yet that it has grown`,
      );
    }
    await pause(SIZE_PAUSE, host);
  }
}

async function mapImage(
  plan: StagePlan,
  image: IdentifiedImage,
  features: readonly string[],
  parts: NodeParts,
  host: Host,
): Promise<OwnedMapping> {
  const { volume, session, readOnly } = plan;
  const { mounter = parts.preference, tryOtherMounters: tryOthers } = volume;
  const mapper = await selectMapper(parts.mappers, { mounter, tryOthers, features }, host.context);
  const isLocked = features.includes('exclusive-lock');
  const gone = plan.singleWriter ? await requireNoWriter(plan, image, isLocked, host) : [];
  const { name } = mapper;
  const note = { image, mounter: name, unmapOptions: volume.unmapOptions[name] ?? [] };
  await parts.notes.write(note);
  try {
    const options = volume.mapOptions[name] ?? [];
    const mapping = await mapper.map({ ...image, connection: session.connection, readOnly, options }, host);
    if (plan.singleWriter) await requireSoleWriter(plan, image, gone, host);
    return { ...mapping, mapper };
  } catch (error) {
    // What remains, if this fails too, is found by the next call through the note.
    await unmapNoted(parts, note, withoutDeadline(host)).catch(() => undefined);
    throw error;
  }
}

/**
 * The image as a device of this node: mapped before, or now.
 * @returns also whether it was mapped now.
 * @throws DriverError `not-found` when there is no such image, `failed-precondition` when another node writes to it or
 *   this one can map none.
 */
export async function ensureMapping(
  plan: StagePlan,
  parts: NodeParts,
  host: Host,
): Promise<{ readonly mapping: OwnedMapping; readonly isNew: boolean }> {
  const info = await readImage(plan.session, plan.image);
  if (info === undefined) {
    throw new DriverError(
      'not-found',
      `volume_id: ${plan.image.volumeId}: there is no image ${imageSpec(plan.image)}`,
    );
  }
  const image = { ...plan.image, imageId: info.imageId };
  const note = await parts.notes.read(image.volumeId);
  const isSameImage = note === undefined || note.image.imageId === image.imageId;
  const present = isSameImage ? await findMapping(parts.mappers, image, host) : undefined;
  if (present?.readOnly === plan.readOnly) {
    await ensureDeviceSize(present, image, info.sizeBytes, host);
    return { mapping: present, isNew: false };
  }
  // What is of no use: of another access or image, or half made by an interrupted call, which would count as a writer.
  if (note !== undefined) await unmapNoted(parts, note, host);
  else if (present !== undefined) await unmapImage([present.mapper], image, [], host);
  const mapping = await mapImage(plan, image, info.features, parts, host);
  return { mapping, isNew: true };
}
