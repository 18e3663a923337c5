import type { Context } from '../../model/call.ts';
import { DriverError } from '../../model/errors.ts';
import type { Mounter as MounterName } from '../volume-context.ts';
import type { Mounter } from './mounter.ts';

/**
 * The mounter for a volume: the wanted one, or for `auto` the first that this node can use.
 * @throws DriverError `failed-precondition` that says for each why not.
 */
export async function selectMounter(
  wanted: MounterName,
  mounters: readonly Mounter[],
  context: Context,
): Promise<Mounter> {
  const obstacles: string[] = [];
  for (const mounter of mounters) {
    if (wanted !== 'auto' && mounter.name !== wanted) continue;
    const obstacle = await mounter.findObstacle(context);
    if (obstacle === undefined) return mounter;
    obstacles.push(`${mounter.name}: ${obstacle}`);
  }
  throw new DriverError(
    'failed-precondition',
    `mounter: this node cannot mount CephFS by "${wanted}": ${obstacles.join('; ')}`,
  );
}
