import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './program.ts';

/** Where Debian has a release of Ceph that the machine's own packages are not. */
const SUITES = { '18': 'trixie', '20': 'forky' } as const;

/** A release of Ceph by the number in front of its version. */
export type Release = keyof typeof SUITES;

const PACKAGES = [
  ...['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-mds', 'ceph-fuse', 'ceph-common', 'rbd-nbd'],
  ...['qemu-system-common', 'qemu-block-extra', 'qemu-utils'],
];

/** What a cluster and its clients are made of; all in /usr/bin. */
const PROGRAMS = [
  ...['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-mds', 'ceph-authtool', 'monmaptool'],
  ...['ceph-fuse', 'rbd', 'rbd-nbd', 'rados', 'qemu-storage-daemon', 'python3'],
];

/** What takes no room in the cache. */
const UNNEEDED = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info', 'var'];

const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, { triplet: string; loader: string }>>> = {
  x64: { triplet: 'x86_64-linux-gnu', loader: 'usr/lib64/ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'usr/lib/ld-linux-aarch64.so.1' },
};

const cacheDirectory = join(import.meta.dirname, '../../.cache');

/** An unpacked release. */
export interface Installation {
  /** Its `bin` has programs of the usual names that run those of the release. */
  readonly directory: string;
  /** Where its daemons find what they load, for their configuration. */
  readonly libraries: string;
  readonly managerModules: string;
}

export function parseRelease(text: string): Release {
  if (text in SUITES) return text as Release;
  throw new Error(`"${text}" is no release for the lab; it has ${Object.keys(SUITES).join(', ')}`);
}

function architecture(): { readonly triplet: string; readonly loader: string } {
  const known = ARCHITECTURES[process.arch];
  if (known !== undefined) return known;
  throw new Error(`the lab has no other releases of Ceph for ${process.arch}`);
}

function describeInstallation(directory: string): Installation {
  return {
    directory,
    libraries: join(directory, 'root/usr/lib', architecture().triplet),
    managerModules: join(directory, 'root/usr/share/ceph/mgr'),
  };
}

/**
 * Trixie's manager loads no module at all: they import `bcrypt`, which only works in the first of the interpreters that
 * a manager has. None of what the lab needs hashes a password.
 */
async function replaceModule(root: string, name: string): Promise<void> {
  const module = join(root, 'usr/lib/python3/dist-packages', name);
  await rm(module, { recursive: true });
  await mkdir(module);
  await writeFile(join(module, '__init__.py'), '');
}

/**
 * Unpacks Debian's packages without installing them: the daemons and clients need their libraries only. The archive's
 * date is not held against it, since the packages are only for tests, and mirrors that stand still are common.
 */
async function unpack(suite: string, root: string): Promise<void> {
  const options = [
    ...['--variant=extract', `--include=${PACKAGES.join(',')}`],
    ...['APT::Install-Recommends "false"', 'Acquire::Check-Valid-Until "false"'].map(
      option => `--aptopt=${option}`,
    ),
  ];
  await runProgram('mmdebstrap', [...options, suite, root], { timeout: 1_800_000 });
  await Promise.all(UNNEEDED.map(path => rm(join(root, path), { recursive: true, force: true })));
  if (suite === SUITES['18']) await replaceModule(root, 'bcrypt');
}

/**
 * Makes a program that runs one of the unpacked ones, with their own loader and libraries, in the place of the caller:
 * same process, same arguments, same files. It finds them from where it is itself. The loader goes by the program's
 * name, so that processes are called as usual.
 */
async function writeLauncher(directory: string, name: string, program: string): Promise<void> {
  const { triplet, loader } = architecture();
  const libraries = `$root/usr/lib/${triplet}`;
  await symlink(`../root/${loader}`, join(directory, 'loaders', name));
  const script = `#!/bin/sh
root=\${0%/bin/*}/root
export PYTHONHOME="$root/usr" QEMU_MODULE_DIR="${libraries}/qemu"
exec "$root/../loaders/${name}" --inhibit-cache --library-path "${libraries}:${libraries}/ceph" ${program} "$@"
`;
  await writeFile(join(directory, 'bin', name), script);
  await chmod(join(directory, 'bin', name), 0o755);
}

async function writeLaunchers(directory: string): Promise<void> {
  await Promise.all(['bin', 'loaders'].map(name => mkdir(join(directory, name))));
  const python = '"$root/usr/bin/python3"';
  await Promise.all([
    ...PROGRAMS.map(name => writeLauncher(directory, name, `"$root/usr/bin/${name}"`)),
    writeLauncher(directory, 'ceph', `${python} "$root/usr/bin/ceph"`),
  ]);
}

async function requireVersion(release: Release, bin: string): Promise<string> {
  const text = await runProgram(join(bin, 'rbd'), ['--version']);
  const version = /^ceph version (\S+)/.exec(text)?.[1] ?? text;
  if (version.startsWith(`${release}.`)) return version;
  throw new Error(`Debian ${SUITES[release]} has Ceph ${version} by now, and not ${release}`);
}

/** The release's programs, unpacked into the cache when they are not there yet. */
export async function ensureRelease(release: Release, report: (step: string) => void): Promise<Installation> {
  const directory = join(cacheDirectory, `ceph-${release}`);
  if (existsSync(directory)) return describeInstallation(directory);
  report(`unpacking Ceph ${release} from Debian ${SUITES[release]} into .cache`);
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = await mkdtemp(`${directory}.`);
  try {
    await unpack(SUITES[release], join(unfinished, 'root'));
    await writeLaunchers(unfinished);
    report(`it is Ceph ${await requireVersion(release, join(unfinished, 'bin'))}`);
    await chmod(unfinished, 0o755);
    await rename(unfinished, directory).catch((error: unknown) => {
      // Somebody else has unpacked it meanwhile.
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return describeInstallation(directory);
}
