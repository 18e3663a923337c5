import { DriverError } from '../model/errors.ts';
import type { Page, PageRequest } from '../model/volume.ts';
import { compare } from './own-pools.ts';

/** Entries of a page when the caller sets no bound. */
const DEFAULT_ENTRIES = 500;
/** Images that are looked at side by side. */
const WIDTH = 8;

const TOKEN = 'after:';

/** Something to list, at a position that stays the same while others come and go. */
export interface Position<T> {
  readonly key: string;
  readonly value: T;
}

/** @throws DriverError `aborted`, as CSI wants it for a token that is none. */
function parseToken(token: string | undefined): string {
  if (token === undefined || token === '') return '';
  if (token.startsWith(TOKEN)) return token.slice(TOKEN.length);
  throw new DriverError(
    'aborted',
    `starting_token: "${token}" was not given by this driver; start without one`,
  );
}

/**
 * One page of a listing. A token says behind which key to go on, so entries that come or go neither repeat nor skip
 * others.
 * @param resolve gives the entry, or undefined for one that does not belong to the listing.
 */
export async function readPage<P, T>(
  positions: readonly Position<P>[],
  request: PageRequest,
  resolve: (position: P) => Promise<T | undefined>,
): Promise<Page<T>> {
  const after = parseToken(request.startingToken);
  const most = request.maximumEntries === 0 ? DEFAULT_ENTRIES : request.maximumEntries;
  const ahead = positions.filter(({ key }) => key > after).sort((a, b) => compare(a.key, b.key));
  const entries: T[] = [];
  for (let start = 0; start < ahead.length;) {
    const batch = ahead.slice(start, start + Math.min(WIDTH, most - entries.length));
    const resolved = await Promise.all(batch.map(({ value }) => resolve(value)));
    entries.push(...resolved.filter(entry => entry !== undefined));
    start += batch.length;
    const last = batch.at(-1);
    if (entries.length >= most && start < ahead.length && last !== undefined) {
      return { entries, nextToken: `${TOKEN}${last.key}` };
    }
  }
  return { entries };
}
