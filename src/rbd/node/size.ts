import { imageSpec } from '../../ceph/rbd-session.ts';
import { DriverError } from '../../model/errors.ts';
import { readDevice, readDeviceSize, type BlockDevice } from '../../mount/block-device.ts';
import { pause, type Host } from '../../mount/host.ts';
import type { NodeImage } from './mappers/mapper.ts';
import { growVolume } from './encryption.ts';
import { isDecrypted, type OwnedMapping } from './parts.ts';

/** Milliseconds between two looks at the size of a device, and the looks until it should have changed. */
const SIZE_PAUSE = 200;
const SIZE_LOOKS = 50;

/**
 * Makes a device, and what decrypts it, see the image's size. @throws DriverError `unavailable` when it does not within 10 s.
 */
export async function ensureDeviceSize(
  mapping: OwnedMapping,
  image: NodeImage,
  wanted: bigint | undefined,
  host: Host,
): Promise<void> {
  const device = await readDevice(mapping.device);
  if (wanted === undefined || (await readDeviceSize(device)) < wanted) {
    await mapping.mapper.refresh(image, host);
  }
  if (mapping.readOnly) return;
  await waitForSize(device, image, wanted ?? 0n, host);
  if (isDecrypted(mapping)) await growVolume(image, host);
}

/** @throws DriverError `unavailable` when the device is not as large within 10 s. */
async function waitForSize(device: BlockDevice, image: NodeImage, wanted: bigint, host: Host): Promise<void> {
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
