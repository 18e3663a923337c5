import { DriverError } from '../model/errors.ts';

/** What came of looking at one thing. */
export interface Finding {
  /** `note`: worth knowing, and nothing that has to be mended for what was asked for. */
  readonly state: 'ok' | 'note' | 'failed';
  readonly subject: string;
  readonly text: string;
}

/** A finding of what `look` says, or of the error that it throws. */
export async function examine(
  subject: string,
  look: () => Promise<string>,
  otherwise: 'note' | 'failed' = 'failed',
): Promise<Finding> {
  try {
    return { state: 'ok', subject, text: await look() };
  } catch (error) {
    return { state: otherwise, subject, text: textOf(error) };
  }
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** For what is wrong without that anything has thrown. */
export function fail(text: string): never {
  throw new DriverError('failed-precondition', text);
}
