import { DriverError } from '../model/errors.ts';
import { EEXIST, parseOutput } from './failure.ts';
import { layoutOperand, writeExportStream, type ImageLayout } from './rbd-export-stream.ts';
import { arrayOf, isObject, numberOf, stringOf, timeOf, type JsonObject } from './rbd-json.ts';
import {
  failCreation,
  imageSpec,
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
  type PoolRef,
} from './rbd-session.ts';

export interface ImageParent extends PoolRef {
  readonly image: string;
  readonly imageId: string;
  /** Its name; an unreadable one once the snapshot is in the trash. */
  readonly snapshot: string;
}

export interface ImageInfo {
  readonly name: string;
  readonly imageId: string;
  readonly sizeBytes: bigint;
  /** All of them, also those in the trash that clones keep alive. */
  readonly snapshotCount: number;
  readonly features: readonly string[];
  readonly createdAt: Date;
  readonly parent?: ImageParent;
}

function readParent(value: JsonObject): ImageParent {
  const namespace = stringOf(value, 'pool_namespace');
  return {
    pool: stringOf(value, 'pool'),
    ...(namespace === '' ? {} : { namespace }),
    image: stringOf(value, 'image'),
    imageId: stringOf(value, 'id'),
    snapshot: stringOf(value, 'snapshot'),
  };
}

/** What `rbd info` answers. @throws DriverError `internal` when it is something else. */
export function parseInfo(value: unknown): ImageInfo {
  if (!isObject(value)) throw new DriverError('internal', 'rbd info: the answer is not an object');
  const { features, parent } = value;
  return {
    name: stringOf(value, 'name'),
    imageId: stringOf(value, 'id'),
    sizeBytes: BigInt(numberOf(value, 'size')),
    snapshotCount: numberOf(value, 'snapshot_count'),
    features: Array.isArray(features) ? features.filter(name => typeof name === 'string') : [],
    createdAt: timeOf(value, 'create_timestamp'),
    ...(isObject(parent) ? { parent: readParent(parent) } : {}),
  };
}

async function runInfo(session: CephSession, command: CephCommand): Promise<ImageInfo | undefined> {
  const result = await requireUnlessMissing(session, command);
  if (result === undefined) return undefined;
  return parseInfo(parseOutput(result, command.what));
}

/**
 * The image, or undefined when it cannot be opened: it is not there, or not all of it.
 * @throws DriverError `not-found` when the pool or namespace is missing.
 */
export function readImage(session: CephSession, ref: ImageRef): Promise<ImageInfo | undefined> {
  const spec = imageSpec(ref);
  return runInfo(session, {
    program: 'rbd',
    args: ['info', spec, '--format', 'json'],
    what: `rbd info ${spec}`,
    operation: { name: 'image_info', args: operand.image(ref) },
  });
}

/** As `readImage`, by the image's ID. */
export function readImageById(session: CephSession, ref: ImageIdRef): Promise<ImageInfo | undefined> {
  return runInfo(session, {
    program: 'rbd',
    args: ['info', ...poolArguments(ref), '--image-id', ref.imageId, '--format', 'json'],
    what: `rbd info ${poolSpec(ref)} ${ref.imageId}`,
    operation: { name: 'image_info', args: operand.imageId(ref) },
  });
}

/** Makes an empty image with its metadata; `exists` when there is one of that name, whatever it is. */
export async function createImage(
  session: CephSession,
  ref: ImageRef,
  image: ImageLayout & { readonly dataPool?: string; readonly metadata: ReadonlyMap<string, string> },
): Promise<'created' | 'exists'> {
  const spec = imageSpec(ref);
  const dataPool = image.dataPool === undefined ? [] : ['--data-pool', image.dataPool];
  const command: CephCommand = {
    program: 'rbd',
    args: ['import', '--export-format', '2', ...dataPool, '--no-progress', '-', spec],
    what: `making image ${spec}`,
    operation: {
      name: 'create_image',
      args: {
        ...operand.image(ref),
        size: Number(image.sizeBytes),
        layout: layoutOperand(image),
        metadata: Object.fromEntries(image.metadata),
        dataPool: image.dataPool,
      },
    },
    input: writeExportStream(image, image.metadata),
    writesTo: [ref.pool],
  };
  const result = await runCeph(session, command);
  if (result.exitCode === 0) return 'created';
  if (result.exitCode === EEXIST) return 'exists';
  throw failCreation(session, command, result);
}

/**
 * Removes an image; one that is not there is fine.
 * @throws DriverError `failed-precondition` when it is open somewhere or has snapshots.
 */
export async function removeImage(session: CephSession, ref: ImageRef): Promise<void> {
  const spec = imageSpec(ref);
  const args = ['rm', '--no-progress', spec];
  const operation = { name: 'remove_image', args: operand.image(ref) } as const;
  const command: CephCommand = { program: 'rbd', args, what: `removing image ${spec}`, operation };
  await requireUnlessMissing(session, command);
}

/** Gives an image another name. @throws DriverError `not-found`, `already-exists` */
export async function renameImage(session: CephSession, ref: ImageRef, name: string): Promise<void> {
  const from = imageSpec(ref);
  const to = imageSpec({ ...ref, image: name });
  await requireCeph(session, {
    program: 'rbd',
    args: ['mv', from, to],
    what: `renaming image ${from} to ${name}`,
    operation: { name: 'rename_image', args: { ...operand.image(ref), name } },
    writesTo: [ref.pool],
    finishes: true,
  });
}

/** Grows an image to `bytes`. */
export async function growImage(session: CephSession, ref: ImageRef, bytes: bigint): Promise<void> {
  const spec = imageSpec(ref);
  await requireCeph(session, {
    program: 'rbd',
    args: ['resize', '--size', `${String(bytes)}B`, '--no-progress', spec],
    what: `growing image ${spec}`,
    operation: { name: 'grow_image', args: { ...operand.image(ref), size: Number(bytes) } },
    writesTo: [ref.pool],
    finishes: true,
  });
}

/** Bytes that the image holds itself: not what it shares with a parent. Quick with fast-diff, else an object at a time. */
export async function readOwnBytes(session: CephSession, ref: ImageRef): Promise<bigint> {
  const spec = imageSpec(ref);
  const what = `rbd du ${spec}`;
  const result = await requireCeph(session, {
    program: 'rbd',
    args: ['du', spec, '--format', 'json'],
    what,
    operation: { name: 'image_usage', args: operand.image(ref) },
  });
  const answer = parseOutput(result, what);
  const images = arrayOf(isObject(answer) ? answer['images'] : undefined, what);
  return images.reduce((sum, image) => sum + BigInt(numberOf(image, 'used_size')), 0n);
}

export interface Watcher {
  /** `10.0.0.7:0/2467610846` */
  readonly address: string;
  /** By krbd, not by librbd. */
  readonly isKernel: boolean;
}

/** The kernel counts its watches from here on; librbd numbers them by addresses of memory, far below. */
const FIRST_KERNEL_COOKIE = 2 ** 64 - 2 ** 48;

/** The `watchers` of an answer. @throws DriverError `internal` when it has none. */
export function parseWatchers(answer: unknown, what: string): readonly Watcher[] {
  const watchers = arrayOf(isObject(answer) ? answer['watchers'] : undefined, what);
  return watchers.map(watcher => ({
    address: stringOf(watcher, 'address'),
    isKernel: Number(watcher['cookie']) >= FIRST_KERNEL_COOKIE,
  }));
}

/** Who has the image open (`rbd status`), or undefined when it is not there. */
export async function listWatchers(
  session: CephSession,
  ref: ImageRef,
): Promise<readonly Watcher[] | undefined> {
  const spec = imageSpec(ref);
  const command: CephCommand = {
    program: 'rbd',
    args: ['status', spec, '--format', 'json'],
    what: `rbd status ${spec}`,
    operation: { name: 'image_watchers', args: operand.image(ref) },
  };
  const result = await requireUnlessMissing(session, command);
  if (result === undefined) return undefined;
  return parseWatchers(parseOutput(result, command.what), command.what);
}
