import { readSubvolumeMetadata, writeSubvolumeMetadata } from '../ceph/fs-metadata.ts';
import {
  readSubvolume,
  requireSubvolume,
  resizeSubvolume,
  type ReadySubvolume,
} from '../ceph/fs-subvolume.ts';
import { chooseSize } from '../model/bytes.ts';
import { awaitCopy, beginCopy, finishCopy } from './copying.ts';
import { conflict, poolOf, SIZE_UNIT, type Creation } from './creation.ts';
import { checkSource, printSource, type Source } from './volume-source.ts';

/** Of what a copy was made: Ceph itself tells only as long as the copy is not complete. */
const SOURCE_KEY = 'csi-driver-ceph.source';

/** A copy has its source's quota, and grows to what was asked. It never shrinks. */
async function fitCopy(creation: Creation, copy: ReadySubvolume): Promise<ReadySubvolume> {
  const { spec, target, access } = creation;
  const { requiredBytes } = spec.capacity;
  if (requiredBytes === undefined || copy.quotaBytes === undefined || copy.quotaBytes >= requiredBytes) {
    return copy;
  }
  const quotaBytes = chooseSize(spec.capacity, SIZE_UNIT);
  await resizeSubvolume(target, quotaBytes, access);
  return { ...copy, quotaBytes };
}

/**
 * The copy that an earlier call completed. One without a note of its source is from a call that was interrupted
 * just then, and gets it.
 */
async function acceptCopy(creation: Creation, source: Source, copy: ReadySubvolume): Promise<void> {
  const { target, access } = creation;
  if (!copy.isClone) throw conflict(target, 'is not a copy of anything');
  const noted = await readSubvolumeMetadata(target, SOURCE_KEY, access);
  if (noted === undefined) await noteSource(creation, source);
  else if (noted !== printSource(source)) throw conflict(target, `is a copy of ${noted}`);
}

async function noteSource({ target, access }: Creation, source: Source): Promise<void> {
  await writeSubvolumeMetadata(target, { key: SOURCE_KEY, value: printSource(source) }, access);
}

/**
 * Makes a copy of a snapshot or volume, or goes on with one that was begun.
 * @throws DriverError `already-exists` for another volume by this name, `aborted` while the copy goes on.
 */
export async function createCopy(creation: Creation, source: Source): Promise<ReadySubvolume> {
  const { target, access } = creation;
  let copy = await readSubvolume(target, access);
  if (copy.state === 'ready') {
    await acceptCopy(creation, source, copy);
  } else {
    if (copy.state !== 'unfinished') {
      await checkSource(source, creation);
      await beginCopy({ source, target, ...poolOf(creation) }, access);
    }
    await awaitCopy({ source, target }, access);
    await noteSource(creation, source);
    copy = await requireSubvolume(target, 'name', access);
  }
  const fitted = await fitCopy(creation, copy);
  await finishCopy({ source, target }, access);
  return fitted;
}
