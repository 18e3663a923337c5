import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { BACKENDS, OPERATIONS, type Amount, type Backend, type Operation } from './operation.ts';

const TRANSPORTS = ['session', 'process', 'none'] as const;
/** How the driver is to talk to Ceph; with `none` there is no driver. */
export type Transport = (typeof TRANSPORTS)[number];

export interface Options {
  readonly volumes: number;
  /** Absent: as many as there are calls at a time, and a few at least. */
  readonly copies: number | undefined;
  readonly concurrencies: readonly number[];
  readonly operations: readonly Operation[];
  readonly backends: readonly Backend[];
  /** Of the driver of this checkout. */
  readonly transports: readonly Transport[];
  /** A cluster that is up already. */
  readonly lab: string | undefined;
  readonly floors: boolean;
  readonly restoreLoop: number | undefined;
  /** A driver that runs already. */
  readonly endpoint: string | undefined;
  readonly name: string;
  readonly pid: number | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly snapshotParameters: Readonly<Record<string, string>>;
  /** Where to write the numbers, and the picture. */
  readonly json: string | undefined;
  readonly plot: string | undefined;
  /** Files of earlier runs: nothing is measured, they are compared. */
  readonly compare: readonly string[] | undefined;
}

const OPTIONS = {
  volumes: { type: 'string', default: '100' },
  copies: { type: 'string' },
  concurrency: { type: 'string', default: '1,10,32' },
  operations: { type: 'string', default: OPERATIONS.join(',') },
  backend: { type: 'string' },
  'ceph-transport': { type: 'string', default: 'session,process' },
  lab: { type: 'string' },
  'no-floors': { type: 'boolean', default: false },
  'restore-loop': { type: 'string' },
  endpoint: { type: 'string' },
  name: { type: 'string', default: 'driver' },
  pid: { type: 'string' },
  parameters: { type: 'string', default: '{}' },
  secrets: { type: 'string', default: '{}' },
  'snapshot-parameters': { type: 'string', default: '{}' },
  json: { type: 'string' },
  plot: { type: 'string' },
  compare: { type: 'boolean', default: false },
} as const;

/** Copies take long, so there are not as many of them as of volumes. */
const FEW_COPIES = 10;

/** What is done at one level of concurrency. */
export function amountOf({ volumes, copies, operations }: Options, concurrency: number): Amount {
  const wanted = copies ?? Math.max(FEW_COPIES, concurrency);
  return { volumes, copies: Math.min(volumes, wanted), concurrency, operations };
}

function requireCount(flag: string, text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new Error(`--${flag}: "${text}" is not a count from 1 on`);
  return Number(text);
}

function findCount(flag: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : requireCount(flag, text);
}

/** The words of a list, divided by commas. */
function requireWords<Word extends string>(flag: string, list: string, known: readonly Word[]): Word[] {
  return list.split(',').map(text => {
    const word = known.find(one => one === text);
    if (word === undefined) throw new Error(`--${flag}: "${text}" is not one of ${known.join(', ')}`);
    return word;
  });
}

/** JSON itself, or the name of a file with it: so a key need not stand on the command line. */
async function readMap(flag: string, value: string): Promise<Readonly<Record<string, string>>> {
  const isJson = value.trimStart().startsWith('{');
  const parsed: unknown = JSON.parse(isJson ? value : await readFile(value, 'utf8'));
  const isMap = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  if (!isMap || Object.values(parsed).some(one => typeof one !== 'string')) {
    throw new Error(`--${flag}: not an object of strings`);
  }
  return parsed as Readonly<Record<string, string>>;
}

/** @throws Error that names the option and what is valid. */
export async function parseOptions(argv: readonly string[]): Promise<Options> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  if (values.compare !== positionals.length > 0) {
    throw new Error('--compare FILE…: the files of earlier runs; without it, no file');
  }
  const { endpoint } = values;
  const restoreLoop = findCount('restore-loop', values['restore-loop']);
  const isOne = endpoint !== undefined || restoreLoop !== undefined;
  const backends = values.backend ?? (isOne ? 'rbd' : BACKENDS.join(','));
  const chosen = requireWords('backend', backends, BACKENDS);
  const wanted = requireWords('operations', values.operations, OPERATIONS);
  if (endpoint !== undefined && chosen.length > 1) throw new Error('--backend: an endpoint has one backend');
  return {
    volumes: requireCount('volumes', values.volumes),
    copies: findCount('copies', values.copies),
    concurrencies: values.concurrency.split(',').map(text => requireCount('concurrency', text)),
    operations: OPERATIONS.filter(operation => wanted.includes(operation)),
    backends: chosen,
    transports: requireWords('ceph-transport', values['ceph-transport'], TRANSPORTS),
    lab: values.lab,
    floors: !values['no-floors'],
    restoreLoop,
    endpoint,
    name: values.name,
    pid: findCount('pid', values.pid),
    parameters: await readMap('parameters', values.parameters),
    secrets: await readMap('secrets', values.secrets),
    snapshotParameters: await readMap('snapshot-parameters', values['snapshot-parameters']),
    json: values.json,
    plot: values.plot,
    compare: values.compare ? positionals : undefined,
  };
}
