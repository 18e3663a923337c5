import { rm } from 'node:fs/promises';
import { releaseAddress } from './address.ts';
import { clusterDirectory } from './cluster.ts';
import { listDaemons, stopDaemon } from './daemon.ts';

/**
 * Ends a cluster's daemons and removes everything of it, also of one that is only half up. The data goes, so there
 * is nothing to flush: the daemons are killed.
 */
export async function takeDown(name: string): Promise<void> {
  const directory = clusterDirectory(name);
  const daemons = await listDaemons(directory);
  await Promise.all(daemons.map(daemon => stopDaemon(directory, daemon)));
  await releaseAddress(directory);
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}
