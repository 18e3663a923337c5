import { readImage } from '../../ceph/rbd-image.ts';
import { imageSpec } from '../../ceph/rbd-session.ts';
import { DriverError } from '../../model/errors.ts';
import { withoutDeadline, type Host } from '../../mount/host.ts';
import { listLimits } from '../image-limits.ts';
import { selectMapper } from './mappers/selection.ts';
import { openVolume, requireEncryption } from './encryption.ts';
import { requireNoWriter, requireSoleWriter, type IdentifiedImage } from './exclusion.ts';
import { findMapping, isDecrypted, type NodeParts, type OwnedMapping } from './parts.ts';
import type { StagePlan } from './request.ts';
import { ensureDeviceSize } from './size.ts';
import { unmapImage, unmapNoted } from './unmapping.ts';

async function mapImage(
  plan: StagePlan,
  image: IdentifiedImage,
  features: readonly string[],
  parts: NodeParts,
  host: Host,
): Promise<OwnedMapping> {
  const { volume, session, readOnly } = plan;
  if (volume.encrypted) await requireEncryption(host);
  const { mounter = parts.preference, tryOtherMounters: tryOthers } = volume;
  const needs = { features, listLimits: () => listLimits(session, image) };
  const mapper = await selectMapper(parts.mappers, { mounter, tryOthers, ...needs }, host.context);
  const isLocked = features.includes('exclusive-lock');
  const gone = plan.singleWriter ? await requireNoWriter(plan, image, isLocked, host) : [];
  const { name } = mapper;
  const note = { image, mounter: name, unmapOptions: volume.unmapOptions[name] ?? [] };
  await parts.notes.write(note);
  try {
    const options = volume.mapOptions[name] ?? [];
    const mapping = await mapper.map({ ...image, connection: session.connection, readOnly, options }, host);
    if (plan.singleWriter) await requireSoleWriter(plan, image, gone, host);
    return { ...mapping, mapper, ...(await openVolume(plan, { ...mapping, image, gone }, host)) };
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
  if (present?.readOnly === plan.readOnly && (plan.volume.encrypted || !isDecrypted(present))) {
    const mapping = { ...present, ...(await openVolume(plan, { ...present, image, gone: [] }, host)) };
    await ensureDeviceSize(mapping, image, info.sizeBytes, host);
    return { mapping, isNew: false };
  }
  // What is of no use: of another access or image, or half made by an interrupted call, which would count as a writer.
  if (note !== undefined) await unmapNoted(parts, note, host);
  else if (present !== undefined) await unmapImage([present.mapper], image, [], host);
  const mapping = await mapImage(plan, image, info.features, parts, host);
  return { mapping, isNew: true };
}
