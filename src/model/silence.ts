import type { Log } from './call.ts';

const ignore = (): undefined => undefined;

/** A log that goes nowhere: for what is only tried out, or is told by other means. */
export const SILENCE: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
