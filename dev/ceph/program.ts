import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Cluster } from './cluster.ts';

const MEBIBYTE = 1024 * 1024;

export interface RunOptions {
  /** Milliseconds until the program is ended. Default: two minutes. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Runs a program to its end and resolves to what it printed.
 * @throws Error with `code` (the exit code) and `stderr` when it exits with another code than 0.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, {
    ...options,
    timeout: options.timeout ?? 120_000,
    maxBuffer: 256 * MEBIBYTE,
  });
  return stdout;
}

/** Runs `ceph`, `rbd`, `rados`… as the cluster's administrator. */
export function runAsAdmin(
  cluster: Pick<Cluster, 'conf'>,
  program: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return runProgram(program, ['--conf', cluster.conf, ...args], options);
}
