import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
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

/** Leads to the release that a cluster runs; there is none where it runs the machine's own packages. */
export function releaseLink(directory: string): string {
  return join(directory, 'release');
}

/** The programs of the cluster's release: to be put first in PATH. */
export function programDirectory(directory: string): string {
  return join(releaseLink(directory), 'bin');
}

/** PATH with which the programs of the cluster's release are found. */
export function programPath(directory: string): string {
  return [programDirectory(directory), process.env['PATH'] ?? ''].join(delimiter);
}

/** Runs a program of the cluster's release. */
export function runInRelease(
  { directory }: Pick<Cluster, 'directory'>,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const env = { ...process.env, ...options.env, PATH: programPath(directory) };
  return runProgram(program, args, { ...options, env });
}

/** Runs `ceph`, `rbd`, `rados`… as the cluster's administrator. */
export function runAsAdmin(
  cluster: Pick<Cluster, 'conf' | 'directory'>,
  program: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return runInRelease(cluster, program, ['--conf', cluster.conf, ...args], options);
}
