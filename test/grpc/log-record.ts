import { vi } from 'vitest';
import type { Log } from '../../src/model/call.ts';

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LogRecord extends Log {
  readonly lines: readonly Line[];
  /** The first line that matches, as soon as it has been written. */
  find(matches: (line: Line) => boolean): Promise<Line>;
}

/** A log that keeps its lines. */
export function createLogRecord(): LogRecord {
  const lines: Line[] = [];
  const write = (level: Line['level']) => (fields: object, message: string) => {
    lines.push({ level, message, fields: { ...fields } });
  };
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    find: matches =>
      vi.waitUntil(() => lines.find(matches), { timeout: 25_000, interval: 5 }).then(line => line),
  };
}
