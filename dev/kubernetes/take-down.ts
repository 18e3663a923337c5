import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { takeDown as takeDownCeph } from '../ceph/take-down.ts';
import { findInit, removeMachine } from './machine.ts';
import { nodeDirectory, type Node } from './node.ts';

/** Describes the node, once it has namespaces. */
export function nodeFile(name: string): string {
  return join(nodeDirectory(name), 'node.json');
}

async function readNode(name: string): Promise<Node | undefined> {
  try {
    return JSON.parse(await readFile(nodeFile(name), 'utf8')) as Node;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The node of that name, or undefined when none is up. */
export async function findNode(name: string): Promise<Node | undefined> {
  const node = await readNode(name);
  return node !== undefined && (await findInit(node.directory)) !== undefined ? node : undefined;
}

/**
 * Ends a node and its Ceph, also ones that are only half up, and removes all that they had of this machine. What was
 * built, and the images, stay for the next start.
 */
export async function takeDown(name: string, options: { readonly keepLogs?: boolean } = {}): Promise<void> {
  const node = await readNode(name);
  // First the node: its mounts end before the Ceph that they need.
  if (node !== undefined) await removeMachine(node);
  await takeDownCeph(name);
  const directory = nodeDirectory(name);
  const entries = await readdir(directory).catch(() => []);
  const doomed = entries.filter(entry => entry !== 'log' || options.keepLogs !== true);
  await Promise.all(doomed.map(entry => rm(join(directory, entry), { recursive: true, force: true })));
  if (options.keepLogs !== true) await rm(directory, { recursive: true, force: true });
}
