import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SOCKET } from './container-runtime.ts';
import type { ImageArchive } from './image.ts';
import { runOnNode } from './machine.ts';
import type { Node } from './node.ts';
import { storeDirectory } from './places.ts';

/** Tells one version of an archive from another. */
export async function describeVersion(file: string): Promise<string> {
  const { mtimeMs, size } = await stat(file);
  return `${mtimeMs}-${size}`;
}

/** Imports an image's archive, unless this very file was imported before. */
async function importImage(node: Node, { name, file }: ImageArchive): Promise<void> {
  const mark = join(storeDirectory(node.name), `imported-${basename(file)}`);
  const version = await describeVersion(file);
  if ((await readFile(mark, 'utf8').catch(() => '')) === version) return;
  const images = ['ctr', '--address', SOCKET, '--namespace', 'k8s.io', 'images'];
  await runOnNode(node, [...images, 'import', file]);
  // The kubelet never deletes it.
  await runOnNode(node, [...images, 'label', name, 'io.cri-containerd.pinned=pinned']);
  await writeFile(mark, version);
}

/** Gives a node the images that it does not have yet. */
export async function importImages(node: Node, archives: readonly ImageArchive[]): Promise<void> {
  for (const archive of archives) await importImage(node, archive);
}
