import type { Context } from '../../../model/call.ts';
import { DriverError } from '../../../model/errors.ts';
import type { Mounter } from '../../volume-context.ts';
import type { ImageNeeds, Mapper } from './mapper.ts';

export interface MapperWish extends ImageNeeds {
  readonly mounter: Mounter | 'auto';
  /** Whether another mapper will do when the wanted one is not possible. */
  readonly tryOthers: boolean;
}

/**
 * The wanted mapper, or the first of those that will do that this node is able to use.
 * @param mappers in the order in which they are tried.
 * @throws DriverError `failed-precondition` saying for each that was tried why it is not possible.
 */
export async function selectMapper(
  mappers: readonly Mapper[],
  wish: MapperWish,
  context: Context,
): Promise<Mapper> {
  const wanted = mappers.filter(({ name }) => wish.mounter === 'auto' || name === wish.mounter);
  const others = wish.tryOthers ? mappers.filter(mapper => !wanted.includes(mapper)) : [];
  const obstacles: string[] = [];
  for (const mapper of [...wanted, ...others]) {
    const obstacle = await mapper.findObstacle(wish, context);
    if (obstacle === undefined) return mapper;
    obstacles.push(`${mapper.name}: ${obstacle}`);
  }
  throw new DriverError(
    'failed-precondition',
    `mounter: this node cannot map RBD images with "${wish.mounter}": ${obstacles.join('; ')}`,
  );
}
