import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import { binDirectory, cacheDirectory } from './places.ts';
import type { Recipe } from './recipes.ts';

/** Milliseconds; a build from nothing takes ten minutes on two cores that have nothing else to do. */
const BUILD_BOUND = 3_600_000;

const environment = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' };

interface Replacement {
  readonly Old: { readonly Path: string };
  /** Without a version when it is a directory beside the module. */
  readonly New: { readonly Path: string; readonly Version?: string };
}

async function go(args: readonly string[], cwd: string, signal: AbortSignal): Promise<string> {
  // Patient with whatever else the machine does.
  return await runProgram('nice', ['-n', '5', 'go', ...args], {
    cwd,
    env: environment,
    timeout: BUILD_BOUND,
    signal,
  });
}

/** `v1.36.3` of Kubernetes is `v0.36.3` of the libraries that are developed in its tree. */
function describeReplacement(replacement: Replacement, version: string): string[] {
  const { Old: old, New: replaced } = replacement;
  if (replaced.Version !== undefined) return [`replace ${old.Path} => ${replaced.Path} ${replaced.Version}`];
  if (!replaced.Path.startsWith('./staging/')) return [];
  return [`replace ${old.Path} => ${old.Path} ${version.replace(/^v1\./, 'v0.')}`];
}

/**
 * A module that only requires another one, to build its programs as they are released: `go install` refuses a
 * module that replaces others, and takes no heed of what it replaces.
 */
async function writeWrapper(
  directory: string,
  { path, version }: { readonly path: string; readonly version: string },
  signal: AbortSignal,
): Promise<void> {
  const downloaded = await go(['mod', 'download', '-json', `${path}@${version}`], directory, signal);
  const { GoMod: file } = JSON.parse(downloaded) as { GoMod: string };
  const description = JSON.parse(await go(['mod', 'edit', '-json', file], directory, signal)) as {
    Go: string;
    Replace: readonly Replacement[] | null;
  };
  const lines = [
    'module csi-driver-ceph.io/lab/wrapper',
    `go ${description.Go}`,
    `require ${path} ${version}`,
    ...(description.Replace ?? []).flatMap(replacement => describeReplacement(replacement, version)),
  ];
  await writeFile(join(directory, 'go.mod'), `${lines.join('\n')}\n`);
}

/** What the binaries are made of; a change of it makes them stale. */
async function describeSources(recipe: Recipe): Promise<string> {
  if (!('directory' in recipe.module)) return JSON.stringify(recipe);
  const { directory } = recipe.module;
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.sort().map(file => readFile(file, 'utf8')));
  return JSON.stringify([recipe, ...contents]);
}

async function prepareModule(recipe: Recipe, signal: AbortSignal): Promise<string> {
  if ('directory' in recipe.module) return recipe.module.directory;
  const directory = join(cacheDirectory, 'modules', recipe.name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await writeWrapper(directory, recipe.module, signal);
  return directory;
}

/**
 * Builds a recipe's programs into the cache, unless they are there already.
 * @returns whether there was something to build.
 */
export async function buildPrograms(recipe: Recipe, signal: AbortSignal): Promise<boolean> {
  const stamp = join(binDirectory, `.${recipe.name}`);
  const sources = await describeSources(recipe);
  if ((await readFile(stamp, 'utf8').catch(() => '')) === sources) return false;
  await mkdir(binDirectory, { recursive: true });
  const module = await prepareModule(recipe, signal);
  const mode = 'directory' in recipe.module ? 'readonly' : 'mod';
  const linkerFlags = `-s -w ${recipe.linkerFlags ?? ''}`;
  for (const [program, source] of Object.entries(recipe.programs)) {
    const output = join(binDirectory, program);
    const options = [`-mod=${mode}`, '-trimpath', '-ldflags', linkerFlags, '-o', output];
    await go(['build', ...options, source], module, signal);
  }
  await writeFile(stamp, sources);
  return true;
}
