import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Milliseconds between the end of its standard input and SIGKILL. */
const GRACE = 2_000;
/** Characters of standard error that are kept to tell why it ended. */
const MAXIMUM_COMPLAINT = 2_000;

/** A program that is started once, and answers lines of text with lines of text. */
export interface LineServer {
  send(line: string): void;
  /** Ends it: by the end of its standard input, and by force when that does not do. */
  stop(): void;
  /** Ends it by force, at once. */
  kill(): void;
}

export interface LineServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly onLine: (line: string) => void;
  /** Called once, whatever the reason: not installed, killed, ended by itself. */
  readonly onEnd: (why: string) => void;
}

export type StartLineServer = (command: LineServerCommand) => LineServer;

/** The driver may end while the program runs: it sees the end of its standard input then. */
function release(child: ChildProcessWithoutNullStreams): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    if (stream instanceof Socket) stream.unref();
  }
}

/** Starts a program as a child of the driver, with the same environment as all its children have. */
export const startLineServer: StartLineServer = ({ program, args, onLine, onEnd }) => {
  const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  const child = spawn(program, args, { env, stdio: 'pipe' });
  let complaint = '';
  let isEnded = false;
  const end = (how: string) => {
    if (isEnded) return;
    isEnded = true;
    onEnd([`${program} ${how}`, complaint.trim()].filter(text => text !== '').join(': '));
  };

  createInterface({ input: child.stdout }).on('line', onLine);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-MAXIMUM_COMPLAINT);
  });
  child.on('error', error => end(`could not be started: ${error.message}`));
  child.on('close', (code, signal) =>
    end(signal === null ? `exited ${code ?? 0}` : `was ended by ${signal}`),
  );
  // A write to a program that has just ended; `close` tells the rest.
  child.stdin.on('error', () => undefined);
  release(child);

  return {
    send: line => void child.stdin.write(`${line}\n`),
    stop() {
      child.stdin.end();
      setTimeout(() => child.kill('SIGKILL'), GRACE).unref();
    },
    kill: () => void child.kill('SIGKILL'),
  };
};
