import { DriverError } from '../../model/errors.ts';
import { readDevice, type BlockDevice } from '../../mount/block-device.ts';
import { OWN_ENCRYPTION, readSignature } from '../../mount/device-content.ts';
import { closeDecrypted, findDecrypted, growDecrypted, openEncrypted } from '../../mount/encryption.ts';
import type { Host } from '../../mount/host.ts';
import { findMissingModule } from './mappers/kernel-module.ts';
import type { Mapping, NodeImage } from './mappers/mapper.ts';
import { createFormatMark } from './format-mark.ts';
import { requireSoleWriter, type IdentifiedImage } from './exclusion.ts';
import type { StagePlan } from './request.ts';
import { hashVolumeId } from './volume-hash.ts';

/** The device mapper, by which the kernel decrypts. */
const DEVICE_MAPPER = '/sys/class/misc/device-mapper';
/** The key of the image's metadata that is there while it is made an encrypted device. */
const ENCRYPTING_KEY = 'csi-driver-ceph.encrypting';

/** By the volume alone: it can be found, and closed, when its mapping is gone. */
function nameOf({ volumeId }: NodeImage): string {
  return `csi-${hashVolumeId(volumeId)}`;
}

/** What shows the data of an encrypted volume; undefined when it is not open, or not encrypted. */
export async function findDecryptedVolume(image: NodeImage): Promise<BlockDevice | undefined> {
  return await findDecrypted(nameOf(image));
}

export async function closeVolume(image: NodeImage, host: Host): Promise<void> {
  await closeDecrypted({ name: nameOf(image) }, host);
}

export async function growVolume(image: NodeImage, host: Host): Promise<void> {
  await growDecrypted({ name: nameOf(image) }, host);
}

/** @throws DriverError `failed-precondition` saying what this node lacks to encrypt. */
export async function requireEncryption({ exec, context }: Host): Promise<void> {
  const missing = await findMissingModule('dm-crypt', DEVICE_MAPPER, exec, context);
  if (missing === undefined) return;
  throw new DriverError('failed-precondition', `encrypted: this node cannot encrypt volumes: ${missing}`);
}

/** Else whoever uses the volume would find what is encrypted, and might write over it. */
async function refuseEncrypted(plan: StagePlan, path: string, host: Host): Promise<void> {
  if (plan.access.type !== 'block') return;
  if ((await readSignature(await readDevice(path), host)) !== OWN_ENCRYPTION) return;
  throw new DriverError(
    'failed-precondition',
    `volume ${plan.image.volumeId}: holds ${OWN_ENCRYPTION.description}, which its class does not say; restore it ` +
      'with encrypted "true"',
  );
}

/** A mapping that has just been made or found, and the clients that are known not to write any more. */
export interface MappedImage extends Mapping {
  readonly image: IdentifiedImage;
  readonly gone: readonly string[];
}

/**
 * The layer between the device of an image and what is mounted: nothing for most volumes; what decrypts it for
 * those that are encrypted.
 * @throws DriverError as `openEncrypted`; `failed-precondition` for an encrypted image that nobody says is one.
 */
export async function openVolume(
  plan: StagePlan,
  mapped: MappedImage,
  host: Host,
): Promise<{ readonly dataDevice: string }> {
  const { device, readOnly, image, gone } = mapped;
  if (plan.passphrase === undefined) {
    await refuseEncrypted(plan, device, host);
    return { dataDevice: device };
  }
  const request = {
    device,
    name: nameOf(image),
    passphrase: plan.passphrase,
    readOnly,
    mark: createFormatMark(plan, ENCRYPTING_KEY),
    // Several nodes may write to a raw block volume, but one alone formats it.
    beforeFormat: async () => await requireSoleWriter(plan, image, gone, host),
  };
  return { dataDevice: (await openEncrypted(request, host)).path };
}
