import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeBundle } from '../bundle.ts';
import { runProgram } from '../ceph/program.ts';
import { readInstruction } from '../dockerfile.ts';
import { isFresh, makeLayer } from './images.ts';
import { writeImage, type ImageArchive } from './image.ts';
import { imageDirectory } from './places.ts';

const root = join(import.meta.dirname, '../..');
/** Where the Dockerfile puts the driver. */
const home = 'opt/csi-driver-ceph';

export const DRIVER_IMAGE = { repository: 'lab.invalid/csi-driver-ceph', tag: 'lab' } as const;

/** What the Dockerfile's check asks of a base image, as packages of Debian, and what the mapper `fuse` needs. */
const PACKAGES = [
  ...['ceph-common', 'ceph-fuse', 'rbd-nbd', 'qemu-system-common', 'qemu-block-extra'],
  ...['e2fsprogs', 'xfsprogs', 'btrfs-progs', 'cryptsetup-bin', 'kmod', 'mount', 'ca-certificates'],
];
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*'];

/** Debian with Ceph's programs: once, since it takes minutes. */
async function makeBaseLayer(signal: AbortSignal): Promise<string> {
  const file = join(imageDirectory, 'base.layer');
  const packages = await readFile(`${file}.packages`, 'utf8').catch(() => '');
  if (packages === PACKAGES.join() && existsSync(file)) return file;
  const options = LEFT_OUT.map(path => `--dpkgopt=path-exclude=${path}`);
  const include = `--include=${PACKAGES.join()}`;
  const made = `${file}.tar`;
  const args = ['--variant=minbase', '--mode=root', ...options, include, 'bookworm', made];
  await runProgram('mmdebstrap', args, { timeout: 1_800_000, signal });
  await rename(made, file);
  await writeFile(`${file}.packages`, PACKAGES.join());
  return file;
}

async function makeNodeLayer(): Promise<string> {
  const file = join(imageDirectory, 'node.layer');
  if (await isFresh(file, [process.execPath])) return file;
  await makeLayer(file, async directory => {
    await mkdir(join(directory, 'usr/local/bin'), { recursive: true });
    await copyFile(process.execPath, join(directory, 'usr/local/bin/node'));
  });
  return file;
}

async function listSources(): Promise<string[]> {
  const directory = join(root, 'src');
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = ['package.json', 'package-lock.json', 'dev/bundle.ts', 'Dockerfile'];
  return [
    directory,
    ...entries.map(entry => join(entry.parentPath, entry.name)),
    ...files.map(name => join(root, name)),
  ];
}

async function makeProjectLayer(): Promise<string> {
  const file = join(imageDirectory, 'project.layer');
  await makeLayer(file, async directory => {
    await writeBundle(join(directory, home));
    await mkdir(join(directory, 'usr/local/bin'), { recursive: true });
    await symlink(`/${home}/main.mjs`, join(directory, 'usr/local/bin/csi-driver-ceph'));
  });
  return file;
}

/** What seldom changes, as an image of its own: it is imported once, and the driver's is a small one on top. */
async function makeBaseImage(layers: readonly string[]): Promise<ImageArchive> {
  const name = 'lab.invalid/base:1';
  const file = join(imageDirectory, 'base.tar');
  if (!(await isFresh(file, layers))) await writeImage({ name, layers, entrypoint: [] }, file);
  return { name, file };
}

/**
 * The driver's image with the file system that the Dockerfile describes, put together without a container engine and
 * without a registry. Made anew when the sources have changed.
 * @returns the archives in the order in which they are to be imported.
 */
export async function makeDriverImage(
  signal = new AbortController().signal,
): Promise<readonly ImageArchive[]> {
  const base = [await makeBaseLayer(signal), await makeNodeLayer()];
  const baseImage = await makeBaseImage(base);
  const name = `${DRIVER_IMAGE.repository}:${DRIVER_IMAGE.tag}`;
  const file = join(imageDirectory, 'driver.tar');
  if (!(await isFresh(file, [baseImage.file, ...(await listSources())]))) {
    const project = await makeProjectLayer();
    const [entrypoint, command] = [await readInstruction('ENTRYPOINT'), await readInstruction('CMD')];
    const environment = ['NODE_ENV=production'];
    await writeImage({ name, base, layers: [project], entrypoint, command, environment }, file);
    await rm(project);
  }
  return [baseImage, { name, file }];
}
