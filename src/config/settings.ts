import { parseArgs } from 'node:util';
import { DriverError } from '../model/errors.ts';
import type { OptionDescription } from './option-table.ts';

const ENVIRONMENT_PREFIX = 'CSI_DRIVER_CEPH_';

export function environmentVariableOf(option: OptionDescription): string {
  return `${ENVIRONMENT_PREFIX}${option.flag.toUpperCase().replaceAll('-', '_')}`;
}

type Table = Readonly<Record<string, OptionDescription>>;

function readFlags(table: Table, argv: readonly string[]): Partial<Record<string, string>> {
  const options = Object.fromEntries(
    Object.values(table).map(option => [option.flag, { type: 'string' as const }]),
  );
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    return values;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DriverError('invalid-argument', why, { cause: error });
  }
}

/**
 * The value of each option of a command: the flag's, else the environment variable's, else the default.
 * @throws DriverError `invalid-argument` for an unknown flag, and for a value that is none of an option's choices.
 */
export function readSettings<T extends Table>(
  table: T,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Readonly<Record<keyof T, string>> {
  const flags = readFlags(table, argv);
  const entries = Object.entries(table).map(([name, option]) => {
    const value = flags[option.flag] ?? env[environmentVariableOf(option)] ?? option.fallback;
    if (option.choices !== undefined && !option.choices.includes(value)) {
      throw new DriverError(
        'invalid-argument',
        `--${option.flag}: "${value}" is not one of ${option.choices.join(', ')}`,
      );
    }
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as Record<keyof T, string>;
}

/** For `--help`: a paragraph for each option of a command. */
export function describeOptions(table: Table): string {
  return Object.values(table)
    .map(option => {
      const choices = option.choices === undefined ? '' : ` (${option.choices.join(', ')})`;
      const fallback = option.fallback === '' ? '' : ` [default: ${option.fallback}]`;
      return `  --${option.flag} ${option.placeholder}   ($${environmentVariableOf(option)})\n      ${option.help}${choices}${fallback}`;
    })
    .join('\n');
}
