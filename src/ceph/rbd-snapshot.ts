import { EEXIST, ENOENT, parseOutput } from './failure.ts';
import { layoutOperand, type ImageFeature } from './rbd-export-stream.ts';
import { arrayOf, isObject, numberOf, stringOf, timeOf, type JsonObject } from './rbd-json.ts';
import {
  failCommand,
  failCreation,
  imageSpec,
  missingPool,
  operand,
  poolArguments,
  poolSpec,
  requireCeph,
  requireUnlessMissing,
  runCeph,
  type CephCommand,
  type CephSession,
  type ImageIdRef,
  type ImageRef,
} from './rbd-session.ts';

export interface SnapshotInfo {
  readonly number: bigint;
  readonly name: string;
  /** The size of the image at that time. */
  readonly sizeBytes: bigint;
  readonly createdAt: Date;
  /**
   * `group`: the image's part of a group's snapshot; `trash`: removed, and kept by Ceph as long as a clone lives from it;
   * `other`: of mirroring, ….
   */
  readonly kind: 'user' | 'group' | 'trash' | 'other';
  /** Which group's snapshot it is part of. */
  readonly group?: { readonly pool: string; readonly group: string; readonly snapshot: string };
}

function readGroup(namespace: unknown): Pick<SnapshotInfo, 'group'> {
  if (!isObject(namespace) || namespace['type'] !== 'group') return {};
  return {
    group: {
      pool: stringOf(namespace, 'pool'),
      group: stringOf(namespace, 'group'),
      snapshot: stringOf(namespace, 'group snap'),
    },
  };
}

function readSnapshot(value: JsonObject): SnapshotInfo {
  // `rbd snap ls --all` of 16.2 gives {"type":"user"}; without --all there is no namespace.
  const namespace = value['namespace'];
  const type = isObject(namespace) ? stringOf(namespace, 'type') : 'user';
  return {
    number: BigInt(numberOf(value, 'id')),
    name: stringOf(value, 'name'),
    sizeBytes: BigInt(numberOf(value, 'size')),
    createdAt: timeOf(value, 'timestamp'),
    kind: type === 'user' || type === 'group' || type === 'trash' ? type : 'other',
    ...readGroup(namespace),
  };
}

/** The image's snapshots, all kinds of them, or undefined when there is no such image. */
export async function listSnapshots(
  session: CephSession,
  ref: ImageIdRef,
): Promise<readonly SnapshotInfo[] | undefined> {
  const command: CephCommand = {
    program: 'rbd',
    args: ['snap', 'ls', ...poolArguments(ref), '--image-id', ref.imageId, '--all', '--format', 'json'],
    what: `rbd snap ls ${poolSpec(ref)} ${ref.imageId}`,
    operation: { name: 'list_snapshots', args: operand.imageId(ref) },
  };
  const result = await requireUnlessMissing(session, command);
  if (result === undefined) return undefined;
  return arrayOf(parseOutput(result, command.what), command.what).map(readSnapshot);
}

/** Makes a snapshot, unless there is one of that name. Waits for a round of the monitors, up to a second. */
export async function createSnapshot(
  session: CephSession,
  ref: ImageRef,
  name: string,
): Promise<'created' | 'exists'> {
  const spec = `${imageSpec(ref)}@${name}`;
  const command: CephCommand = {
    program: 'rbd',
    args: ['snap', 'create', '--no-progress', spec],
    what: `making snapshot ${spec}`,
    operation: { name: 'create_snapshot', args: { ...operand.image(ref), name } },
    writesTo: [ref.pool],
    finishes: true,
  };
  const result = await runCeph(session, command);
  if (result.exitCode === 0) return 'created';
  if (result.exitCode === EEXIST) return 'exists';
  throw failCommand(session, command, result);
}

/**
 * Removes a snapshot by its name or number; one that is not there is fine. Where a clone lives from it, Ceph keeps it
 * out of sight until the last clone goes.
 */
export async function removeSnapshot(
  session: CephSession,
  ref: ImageIdRef,
  snapshot: { readonly name: string } | { readonly number: bigint },
): Promise<void> {
  const which = 'name' in snapshot ? ['--snap', snapshot.name] : ['--snap-id', String(snapshot.number)];
  const command: CephCommand = {
    program: 'rbd',
    // No --no-progress: with --snap-id, `rbd` refuses it.
    args: ['snap', 'rm', ...poolArguments(ref), '--image-id', ref.imageId, ...which],
    what: `removing snapshot ${which.join(' ')} of ${poolSpec(ref)} ${ref.imageId}`,
    operation: {
      name: 'remove_snapshot',
      args: {
        ...operand.imageId(ref),
        ...('name' in snapshot ? snapshot : { number: Number(snapshot.number) }),
      },
    },
    finishes: true,
  };
  await requireUnlessMissing(session, command);
}

/** What a clone differs in from its parent. */
export interface CloneLayout {
  readonly order: number;
  readonly features: readonly ImageFeature[];
  readonly stripeUnit: bigint;
  readonly stripeCount: bigint;
  readonly dataPool?: string;
}

/**
 * Makes an image that lives from a snapshot (clone v2: the snapshot needs no protection, and may be removed).
 * Ceph copies the parent's metadata to it at the end. `missing`: the parent or its snapshot is not there.
 * @param snapshot its name; its number for a part of a group's snapshot, which has no name that Ceph would take.
 */
export async function cloneSnapshot(
  session: CephSession,
  parent: ImageRef,
  snapshot: string | bigint,
  ref: ImageRef,
  layout: CloneLayout,
): Promise<'created' | 'exists' | 'missing'> {
  const spec = imageSpec(ref);
  const isNumber = typeof snapshot === 'bigint';
  const source = isNumber ? imageSpec(parent) : `${imageSpec(parent)}@${snapshot}`;
  const command: CephCommand = {
    program: 'rbd',
    args: [
      'clone',
      ...(isNumber ? ['--snap-id', String(snapshot)] : []),
      '--rbd-default-clone-format',
      '2',
      '--object-size',
      String(2 ** layout.order),
      ...layout.features.flatMap(feature => ['--image-feature', feature]),
      ...(layout.stripeCount === 1n
        ? []
        : ['--stripe-unit', String(layout.stripeUnit), '--stripe-count', String(layout.stripeCount)]),
      ...(layout.dataPool === undefined ? [] : ['--data-pool', layout.dataPool]),
      source,
      spec,
    ],
    what: `cloning ${source} to ${spec}`,
    operation: {
      name: 'clone_snapshot',
      args: {
        ...operand.image(ref),
        parent: operand.image(parent).ref,
        snapshot: isNumber ? Number(snapshot) : snapshot,
        layout: layoutOperand(layout),
        dataPool: layout.dataPool,
      },
    },
    writesTo: [ref.pool, parent.pool],
    finishes: true,
  };
  const result = await runCeph(session, command);
  if (result.exitCode === 0) return 'created';
  if (result.exitCode === EEXIST) return 'exists';
  if (result.exitCode === ENOENT && missingPool(result) === undefined) return 'missing';
  throw failCreation(session, command, result);
}

/** The images that live from the image's snapshots, those in the trash left out; they may be in other pools. */
export async function listClones(session: CephSession, ref: ImageRef): Promise<readonly ImageRef[]> {
  const spec = imageSpec(ref);
  const what = `rbd children ${spec}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['children', spec, '--format', 'json'],
    what,
    operation: { name: 'list_clones', args: operand.image(ref) },
  });
  return arrayOf(parseOutput(result, what), what).map(child => {
    const namespace = stringOf(child, 'pool_namespace');
    return {
      pool: stringOf(child, 'pool'),
      ...(namespace === '' ? {} : { namespace }),
      image: stringOf(child, 'image'),
    };
  });
}

/**
 * Copies what the image shares with its parent, so that it lives by itself. In a process of its own: it takes as long as
 * the image is large, which no other operation has to wait for, and must not end with a session's server.
 */
export async function flattenImage(session: CephSession, ref: ImageRef): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['flatten', '--no-progress', spec],
    what: `flattening image ${spec}`,
    finishes: true,
    timeout: 6 * 3_600_000,
  });
}
