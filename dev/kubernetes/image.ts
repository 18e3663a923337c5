import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runProgram } from '../ceph/program.ts';

export interface Image {
  /** With registry and tag, as Pods name it. */
  readonly name: string;
  /** Tar files, from the bottom up. */
  readonly layers: readonly string[];
  /** The tar files below these, which are not in the archive: an image that is imported before has them. */
  readonly base?: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
}

/** An image and the file that it can be imported from. */
export interface ImageArchive {
  readonly name: string;
  readonly file: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const type = (name: string) => `application/vnd.oci.image.${name}`;

async function digestFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

function blobFile(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'));
}

async function describeLayer(file: string): Promise<Descriptor> {
  const [digest, { size }] = await Promise.all([digestFile(file), stat(file)]);
  return { mediaType: type('layer.v1.tar'), digest, size };
}

async function addLayer(directory: string, file: string): Promise<Descriptor> {
  const layer = await describeLayer(file);
  await link(file, blobFile(directory, layer.digest));
  return layer;
}

async function addDocument(directory: string, mediaType: string, document: object): Promise<Descriptor> {
  const text = JSON.stringify(document);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  await writeFile(blobFile(directory, digest), text);
  return { mediaType, digest, size: Buffer.byteLength(text) };
}

/** Writes a layer with a directory's content, the same bytes for the same content. */
export async function packLayer(directory: string, file: string): Promise<void> {
  const options = ['--numeric-owner', '--owner=0', '--group=0', '--sort=name', '--mtime=@0'];
  await runProgram('tar', [...options, '--create', '--directory', directory, '--file', file, '.']);
}

/**
 * Writes an image as an archive in the OCI layout, without a container engine.
 * @param file the archive; the layers must be on its file system.
 */
export async function writeImage(image: Image, file: string): Promise<void> {
  const directory = `${file}.layout`;
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  const layers: Descriptor[] = [];
  for (const layer of image.base ?? []) layers.push(await describeLayer(layer));
  for (const layer of image.layers) layers.push(await addLayer(directory, layer));
  const config = await addDocument(directory, type('config.v1+json'), {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint,
      Cmd: image.command ?? [],
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...(image.environment ?? []),
      ],
    },
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) },
  });
  const manifest = await addDocument(directory, type('manifest.v1+json'), {
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config,
    layers,
  });
  const annotations = { 'io.containerd.image.name': image.name };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  await writeFile(join(directory, 'index.json'), JSON.stringify(index));
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await runProgram('tar', ['--create', '--directory', directory, '--file', file, '.']);
  await rm(directory, { recursive: true });
}
