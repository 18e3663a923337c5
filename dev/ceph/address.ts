import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './program.ts';

/** Holds the address that was put on the loopback interface for the cluster in `directory`. */
function claimFile(directory: string): string {
  return join(directory, 'address');
}

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some(entries =>
    entries?.some(entry => entry.address === address),
  );
}

/** Gives this machine the address, unless it has it already. What is not ours is not taken away, either. */
export async function claimAddress(directory: string, address: string): Promise<void> {
  if (hasAddress(address)) return;
  await writeFile(claimFile(directory), address);
  await runProgram('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

/** Takes away the address that the cluster was given, if it was given one. */
export async function releaseAddress(directory: string): Promise<void> {
  const address = await readFile(claimFile(directory), 'utf8').catch(() => undefined);
  if (address === undefined || !hasAddress(address)) return;
  await runProgram('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
}
