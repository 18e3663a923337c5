import { parseOutput } from './failure.ts';
import {
  listWatchers,
  parseInfo,
  parseWatchers,
  readImage,
  type ImageInfo,
  type Watcher,
} from './rbd-image.ts';
import { isObject } from './rbd-json.ts';
import { readMetadata } from './rbd-metadata.ts';
import {
  imageSpec,
  operand,
  tryOperation,
  unlessMissing,
  type CephSession,
  type ImageRef,
} from './rbd-session.ts';

/** An image, and what else one look at it shows. */
export interface ImageView {
  readonly info: ImageInfo;
  /** The value of a key of its metadata; absent: it does not have the key. */
  readonly metadata?: string;
  /** None unless they were asked for. */
  readonly watchers: readonly Watcher[];
}

export interface ViewRequest {
  /** The key of the metadata. */
  readonly key: string;
  readonly watchers: boolean;
}

async function viewByProcesses(
  session: CephSession,
  ref: ImageRef,
  request: ViewRequest,
): Promise<ImageView | undefined> {
  const [info, metadata, watchers = []] = await Promise.all([
    readImage(session, ref),
    readMetadata(session, ref, request.key),
    request.watchers ? listWatchers(session, ref) : [],
  ]);
  if (info === undefined) return undefined;
  return { info, watchers, ...(metadata === undefined ? {} : { metadata }) };
}

/**
 * `readImage`, `readMetadata` and `listWatchers` at once: a session's server opens the image once for all, which is most
 * of the work.
 */
export async function viewImage(
  session: CephSession,
  ref: ImageRef,
  request: ViewRequest,
): Promise<ImageView | undefined> {
  const what = `rbd info ${imageSpec(ref)}`;
  const command = {
    what,
    operation: { name: 'image_info', args: { ...operand.image(ref), ...request } },
  } as const;
  const result = await tryOperation(session, command);
  if (result === undefined) return await viewByProcesses(session, ref, request);
  const found = unlessMissing(session, command, result);
  if (found === undefined) return undefined;
  const answer = parseOutput(found, what);
  const metadata = isObject(answer) ? answer['metadata'] : undefined;
  return {
    info: parseInfo(answer),
    watchers: request.watchers ? parseWatchers(answer, what) : [],
    ...(typeof metadata === 'string' ? { metadata } : {}),
  };
}
