import { chmod, copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rolldown, type OutputChunk } from 'rolldown';

const root = join(import.meta.dirname, '..');

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** The folder of the package that a module is from; undefined for the driver's own. */
function findPackage(module: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0];
}

/** What a package wants to be told with each copy of it: its licence, and its notice if it has one. */
async function describePackage(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  ) as Package;
  const files = (await readdir(folder)).filter(file => /^(licen[cs]e|notice)/i.test(file)).sort();
  if (files.length === 0) throw new Error(`${folder} has no file with its licence`);
  const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')));
  return [`# ${name} ${version} (${license})`, ...texts.map(text => text.trim())].join('\n\n');
}

async function describePackages(chunks: readonly OutputChunk[]): Promise<string> {
  const folders = chunks.flatMap(({ moduleIds }) => moduleIds.map(findPackage));
  const packages = [...new Set(folders)].filter(folder => folder !== undefined).sort();
  const texts = await Promise.all(packages.map(describePackage));
  return `The program contains these packages.\n\n${texts.join('\n\n\n')}\n`;
}

/**
 * Writes the program into a directory, which is emptied before: all that it needs besides Node and Ceph's programs. It
 * may be moved. The code is in one file, since reading many small ones is what a start takes its time for; only what
 * counts metrics is in another, which not everybody loads. Names stay, so that a stack trace can be read without a
 * source map, which would take 45 MiB of memory.
 * @throws Error for what the bundler would only warn of, such as an import that it cannot find.
 */
export async function writeBundle(directory: string): Promise<void> {
  const bundle = await rolldown({
    input: join(root, 'src/main.ts'),
    platform: 'node',
    onLog(level, { message }) {
      if (level === 'warn') throw new Error(message);
    },
  });
  const { output } = await bundle.write({
    dir: directory,
    cleanDir: true,
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  await bundle.close();
  await chmod(join(directory, 'main.mjs'), 0o755);
  // Python reads its modules from files: they lie beside the code that starts it, as in src/ceph.
  await cp(join(root, 'src/ceph/session'), join(directory, 'session'), { recursive: true });
  await copyFile(join(root, 'LICENSE'), join(directory, 'LICENSE'));
  const chunks = output.filter(file => file.type === 'chunk');
  await writeFile(join(directory, 'THIRD-PARTY-LICENSES'), await describePackages(chunks));
}
