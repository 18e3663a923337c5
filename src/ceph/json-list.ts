import { DriverError } from '../model/errors.ts';

/**
 * The items of a JSON list that comes in pieces, those of each piece together, so that a list of any length takes the
 * memory of one piece. For lists of flat objects whose texts hold no braces, which is what `rbd diff` prints.
 * @throws DriverError `internal` when it is no such list, or ends early.
 */
export async function* readJsonList(
  pieces: AsyncIterable<string>,
  what: string,
): AsyncGenerator<readonly unknown[], void, undefined> {
  /** What is left to read, from the `[` or the comma in front of the next item on. */
  let rest = '';
  let opening = '[';

  const parse = (text: string): readonly unknown[] => {
    try {
      return JSON.parse(text) as readonly unknown[];
    } catch (error) {
      throw new DriverError('internal', `${what}: the answer is not a JSON list`, { cause: error });
    }
  };
  const requireOpening = (): void => {
    if (rest.startsWith(opening)) return;
    throw new DriverError('internal', `${what}: the answer is not a JSON list`);
  };

  for await (const piece of pieces) {
    rest = rest === '' ? piece.trimStart() : rest + piece;
    const end = rest.lastIndexOf('}') + 1;
    if (end === 0) continue;
    requireOpening();
    const items = parse(`[${rest.slice(1, end)}]`);
    rest = rest.slice(end);
    opening = ',';
    yield items;
  }
  if (rest.trim() === (opening === '[' ? '[]' : ']')) return;
  throw new DriverError('internal', `${what}: the answer ends early`);
}
