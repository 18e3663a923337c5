import { DriverError } from '../../model/errors.ts';
import { findDeviceOfMount, isDeviceNode, readDevice, type BlockDevice } from '../../mount/block-device.ts';
import { listMounts, type Host } from '../../mount/host.ts';
import { mountsOfDevice } from '../../mount/mountinfo.ts';
import type { Mapper, NodeImage } from './mappers/mapper.ts';
import { closeVolume, findDecryptedVolume } from './encryption.ts';
import type { VolumeNote } from './note.ts';
import { mappersOf, type NodeParts } from './parts.ts';

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

async function requireUnused(image: NodeImage, device: BlockDevice, host: Host): Promise<void> {
  const path = await findUse(device, host);
  if (path === undefined) return;
  throw new DriverError(
    'failed-precondition',
    `volume ${image.volumeId}: ${device.path} is still mounted at ${path}; unpublish the volume there first`,
  );
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
  // What decrypts the image first, which is there even when the mapping below it has died.
  const decrypted = await findDecryptedVolume(image);
  if (decrypted !== undefined) {
    await requireUnused(image, decrypted, host);
    await closeVolume(image, host);
  }
  for (const mapper of mappers) {
    const mapping = await mapper.find(image, host);
    if (mapping !== undefined) await requireUnused(image, await readDevice(mapping.device), host);
    await mapper.unmap(image, unmapOptions, host);
  }
}

/** Takes away what the note tells of, and the note. */
export async function unmapNoted(parts: NodeParts, note: VolumeNote, host: Host): Promise<void> {
  await unmapImage(mappersOf(parts, note), note.image, note.unmapOptions, host);
  await parts.notes.remove(note.image.volumeId);
}
