import { DriverError } from '../model/errors.ts';
import { OPTIONS } from './option-table.ts';
import { readSettings } from './settings.ts';

const { role, clustersFile, credentialsDir, stateDir, mapper, mounter } = OPTIONS;

/** Every setting of `doctor`: those of `serve` that matter to it, and its own. */
export const DOCTOR_OPTIONS = {
  role,
  clustersFile,
  credentialsDir,
  stateDir,
  mapper,
  mounter,
  pools: {
    flag: 'pools',
    placeholder: 'NAMES',
    fallback: '',
    help: 'The pools that StorageClasses name, separated by commas: each has to be usable. Empty: all for RBD are looked at.',
  },
  fileSystems: {
    flag: 'file-systems',
    placeholder: 'NAMES',
    fallback: '',
    help: 'The file systems that StorageClasses name, separated by commas, likewise. Empty: all are looked at.',
  },
  user: {
    flag: 'user',
    placeholder: 'NAME',
    fallback: '',
    help: 'The Ceph user to look as, without "client.", instead of the one of --credentials-dir. Needs --key-file.',
  },
  keyFile: {
    flag: 'key-file',
    placeholder: 'FILE',
    fallback: '',
    help: "A file with that user's key; /dev/stdin is one.",
  },
} as const;

/** The settings of `doctor`, checked. */
export interface DoctorOptions {
  readonly looksAtNode: boolean;
  readonly clustersFile: string;
  readonly credentialsDir?: string;
  readonly stateDir: string;
  readonly mapper: string;
  readonly mounter: string;
  readonly pools: readonly string[];
  readonly fileSystems: readonly string[];
  /** Instead of the driver's own. */
  readonly user?: { readonly userId: string; readonly keyFile: string };
}

function splitNames(value: string): readonly string[] {
  return value.split(',').filter(name => name !== '');
}

/**
 * @param argv what stands behind `doctor`.
 * @throws DriverError `invalid-argument` naming the flag, its value and what is valid.
 */
export function parseDoctorOptions(argv: readonly string[], env: NodeJS.ProcessEnv): DoctorOptions {
  const settings = readSettings(DOCTOR_OPTIONS, argv, env);
  if ((settings.user === '') !== (settings.keyFile === '')) {
    throw new DriverError('invalid-argument', '--user and --key-file: give both, or none');
  }
  return {
    looksAtNode: settings.role !== 'controller',
    clustersFile: settings.clustersFile,
    ...(settings.credentialsDir === '' ? {} : { credentialsDir: settings.credentialsDir }),
    stateDir: settings.stateDir,
    mapper: settings.mapper,
    mounter: settings.mounter,
    pools: splitNames(settings.pools),
    fileSystems: splitNames(settings.fileSystems),
    ...(settings.user === '' ? {} : { user: { userId: settings.user, keyFile: settings.keyFile } }),
  };
}
