import type { Context } from '../model/call.ts';
import type { Secret } from '../model/secret.ts';

/**
 * An argument that stands for a file with a secret in it: the program gets the path of an inherited descriptor
 * (`/proc/self/fd/N`) of an unlinked file on tmpfs. So a key is never in argv and never on a disk.
 */
export interface SecretFile {
  readonly secret: Secret;
  /** What stands before the path, for a program that takes the path inside of an option: `secretfile=`. */
  readonly prefix?: string;
}

export type Argument = string | SecretFile;

/** One program to run. There is no shell: each argument reaches the program as it is. */
export interface Command {
  readonly program: string;
  readonly args: readonly Argument[];
  /** Written to the program's standard input, which is empty otherwise. */
  readonly input?: string | Uint8Array;
  /** Added to the fixed environment (PATH, LC_ALL=C, TZ=UTC). */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the program is ended, whatever the caller's deadline. */
  readonly timeout: number;
  /**
   * A program that must not be ended half-way (mkfs, growing a file system): it is not stopped when the caller's
   * signal aborts, and the promise settles when it has exited. Its timeout still ends it.
   */
  readonly uninterruptible?: boolean;
  /** Bytes of standard output to accept; more is an `internal` error. Default 16 MiB. */
  readonly maximumOutput?: number;
}

/** A program that ran to its end, whatever its exit code. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program and resolves when it has exited. Rejects with DriverError: `cancelled` or `deadline-exceeded` when
 * the signal aborted, `deadline-exceeded` when its timeout passed, `failed-precondition` when the program is not
 * installed, `internal` when it died of a signal or printed too much.
 */
export type Exec = (command: Command, context: Context) => Promise<CommandResult>;
