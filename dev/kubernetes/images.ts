import { chmod, copyFile, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import { PAUSE_IMAGE } from './container-runtime.ts';
import { packLayer, writeImage, type ImageArchive } from './image.ts';
import { binDirectory, imageDirectory } from './places.ts';
import { sidecarImage, SIDECARS } from './recipes.ts';

/** Stand-ins for the two sidecars whose Go modules cannot be had: programs/. */
export const REGISTRAR_IMAGE = { repository: 'lab.invalid/registrar', tag: '1' } as const;
export const LIVENESS_IMAGE = { repository: 'lab.invalid/liveness', tag: '1' } as const;

/** The image of the examples' Pods. */
export const BUSYBOX_IMAGE = 'registry.k8s.io/e2e-test-images/busybox:1.36.1-1';
/** Debian's package busybox-static. */
const BUSYBOX = '/bin/busybox';

/** Whether a file is there and younger than all that it is made of. */
export async function isFresh(file: string, sources: readonly string[]): Promise<boolean> {
  const times = await Promise.all(sources.map(async source => (await stat(source)).mtimeMs));
  const made = await stat(file).then(
    stats => stats.mtimeMs,
    () => 0,
  );
  return times.every(time => time < made);
}

/** Makes a directory, has it filled, packs it as a layer, and removes it. */
export async function makeLayer(file: string, fill: (directory: string) => Promise<void>): Promise<void> {
  const directory = `${file}.root`;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await fill(directory);
  await packLayer(directory, file);
  await rm(directory, { recursive: true });
}

async function copyProgram(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(source, target);
  await chmod(target, 0o755);
}

/** An image of one static program, as the sidecars' own images are. */
async function makeProgramImage(name: string, program: string): Promise<ImageArchive> {
  const file = join(imageDirectory, `${program}.tar`);
  const source = join(binDirectory, program);
  if (await isFresh(file, [source])) return { name, file };
  const layer = `${file}.layer`;
  await makeLayer(layer, directory => copyProgram(source, join(directory, program)));
  await writeImage({ name, layers: [layer], entrypoint: [`/${program}`] }, file);
  await rm(layer);
  return { name, file };
}

async function makeBusybox(): Promise<ImageArchive> {
  const name = BUSYBOX_IMAGE;
  const file = join(imageDirectory, 'busybox.tar');
  if (await isFresh(file, [BUSYBOX])) return { name, file };
  const layer = `${file}.layer`;
  await makeLayer(layer, async directory => {
    await copyProgram(BUSYBOX, join(directory, 'bin/busybox'));
    const names = (await runProgram(BUSYBOX, ['--list'])).split('\n');
    const applets = names.filter(applet => applet !== '' && applet !== 'busybox');
    await Promise.all(applets.map(applet => symlink('busybox', join(directory, 'bin', applet))));
    await mkdir(join(directory, 'etc'));
    await mkdir(join(directory, 'tmp'), { mode: 0o1777 });
    await writeFile(join(directory, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  });
  await writeImage({ name, layers: [layer], entrypoint: [], command: ['sh'] }, file);
  await rm(layer);
  return { name, file };
}

/** Makes the archives of all images but the driver's, where they are not there already. */
export async function makeToolImages(): Promise<readonly ImageArchive[]> {
  await mkdir(imageDirectory, { recursive: true });
  const named = ({ repository, tag }: { repository: string; tag: string }) => `${repository}:${tag}`;
  return [
    await makeProgramImage(PAUSE_IMAGE, 'pause'),
    await makeProgramImage(named(REGISTRAR_IMAGE), 'registrar'),
    await makeProgramImage(named(LIVENESS_IMAGE), 'liveness'),
    ...(await Promise.all(
      SIDECARS.map(sidecar => makeProgramImage(sidecarImage(sidecar), `csi-${sidecar}`)),
    )),
    await makeBusybox(),
  ];
}
