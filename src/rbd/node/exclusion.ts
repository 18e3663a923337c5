import { listWatchers } from '../../ceph/rbd-image.ts';
import { imageSpec } from '../../ceph/rbd-session.ts';
import { DriverError } from '../../model/errors.ts';
import { pause, type Host } from '../../mount/host.ts';
import { findUsers } from '../image-users.ts';
import type { NodeImage } from './mappers/mapper.ts';
import type { StagePlan } from './request.ts';

/** Milliseconds between two looks, and looks until those have gone who had the image open in passing. */
const PAUSE = 400;
const LOOKS = 5;

export type IdentifiedImage = NodeImage & { readonly imageId: string };

function refuseUsers(image: NodeImage, users: readonly string[]): never {
  throw new DriverError(
    'failed-precondition',
    `volume ${image.volumeId}: image ${imageSpec(image)} is in use at ${users.join(', ')}, and the access mode ` +
      'lets one node write; unstage it there, or wait: a client that died is listed for 30 s more',
  );
}

/** Those who have the image open for writing, besides `ignored`, once they are not more than `most` or stay. */
async function listWriters(
  plan: StagePlan,
  image: IdentifiedImage,
  expected: { readonly ignored: readonly string[]; readonly most: number },
  host: Host,
): Promise<readonly string[]> {
  for (let look = 1; ; look += 1) {
    const watchers = (await listWatchers(plan.session, image)) ?? [];
    const others = watchers.map(({ address }) => address).filter(name => !expected.ignored.includes(name));
    if (others.length <= expected.most || look === LOOKS) return others;
    await pause(PAUSE, host);
  }
}

/**
 * Sees to it that nobody has the image open for writing before it is mapped for a single writer. By itself Ceph
 * lets two nodes write in turns, which no file system survives.
 * @param isLocked whether the image has an exclusive lock: only then is a client that is listed, but answers nothing,
 *   taken for gone. If it is not, whoever takes over the lock shuts it out.
 * @returns the addresses that are listed nevertheless.
 * @throws DriverError `failed-precondition` naming the addresses of the others.
 */
export async function requireNoWriter(
  plan: StagePlan,
  image: IdentifiedImage,
  isLocked: boolean,
  host: Host,
): Promise<readonly string[]> {
  const listed = await listWriters(plan, image, { ignored: [], most: 0 }, host);
  if (listed.length === 0) return [];
  const users = isLocked ? await findUsers(plan.session, image, image.imageId) : listed;
  if (users.length > 0) refuseUsers(image, users);
  return listed;
}

/**
 * Sees to it that nobody but this node has the image open, now that it is mapped: two nodes that mapped at the same
 * moment did not see each other before. Both step back, and one is first the next time.
 * @param ignored what `requireNoWriter` returned.
 * @throws DriverError `failed-precondition` naming the addresses.
 */
export async function requireSoleWriter(
  plan: StagePlan,
  image: IdentifiedImage,
  ignored: readonly string[],
  host: Host,
): Promise<void> {
  const writers = await listWriters(plan, image, { ignored, most: 1 }, host);
  if (writers.length > 1) refuseUsers(image, writers);
}
