import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cluster } from '../harness/cluster.ts';
import { SIZE } from './fixture.ts';

/** The SHA-256 of what the first bytes of an image hold. */
export async function hashImage(image: string, pool: string = cluster.pools.replicated): Promise<string> {
  const spec = `${pool}/${image}`;
  const args = ['--conf', cluster.conf, 'export', '--no-progress', spec, '-'];
  const program = spawn('rbd', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const hash = createHash('sha256');
  let left = Number(SIZE);
  for await (const chunk of program.stdout as AsyncIterable<Buffer>) {
    hash.update(chunk.subarray(0, left));
    left = Math.max(0, left - chunk.length);
  }
  return hash.digest('hex');
}
