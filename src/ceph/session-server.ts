import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from '../exec/command.ts';
import type { StartLineServer } from '../exec/line-server.ts';
import { DriverError } from '../model/errors.ts';
import { MONITOR_TIMEOUT, type Connection } from './connection.ts';
import { failureOf } from './failure.ts';
import { isChange, type OperationRequest } from './session-operation.ts';

const PROGRAM = fileURLToPath(new URL('session/server.py', import.meta.url));

/** Milliseconds without any answer after which a server that lets a caller down is given up. */
const SUSPICIOUS_SILENCE = 5_000;
/** Milliseconds that a change may take to end whose time is over, or for which there is no space. */
const GRACE = 2_000;
/** Milliseconds that the other operations of a server have then, before it is killed. */
const LAST_CHANCE = 5_000;

/** The interpreter beside `ceph`: it runs in that itself, and the modules `rados` and `rbd` come with it. */
export function findInterpreter(): string {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  const directory = directories.find(candidate => existsSync(join(candidate, 'ceph')));
  return join(directory ?? '/usr/bin', 'python3');
}

/** The server cannot run the operation; whether the cluster has done so is not known. */
export class ServerEnd extends Error {
  override readonly name = 'ServerEnd';
  /** Whether it never came to the point of asking the cluster: it cannot work here at all. */
  readonly isUnusable: boolean;

  constructor(why: string, isUnusable: boolean) {
    super(why);
    this.isUnusable = isUnusable;
  }
}

export interface SessionServer {
  /**
   * Resolves to what came of the operation. Rejects when the signal aborts or its time is over; that of a change, once it
   * has ended, for which the server is killed if need be.
   * @throws ServerEnd when the server ends, DriverError when the call does or the cluster refuses the user.
   */
  run(request: OperationRequest, signal: AbortSignal): Promise<CommandResult>;
  isBusy(): boolean;
  stop(): void;
}

/** What the program says. */
type Message =
  | { readonly ready: true }
  | { readonly refused: number; readonly reason: string }
  | { readonly id: number; readonly code: number; readonly out: string; readonly reason: string };

interface Pending {
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: Error) => void;
  /** Whether its caller only waits for its end. */
  isLeft: boolean;
}

function describeAbort(what: string, signal: AbortSignal): DriverError {
  const reason: unknown = signal.reason;
  const kind = reason instanceof DriverError ? reason.kind : 'cancelled';
  const why = reason instanceof DriverError ? reason.message : 'the call was cancelled';
  return new DriverError(kind, `${what}: was left: ${why}`, { cause: reason });
}

/** Resolves to the error with which the caller leaves: at its signal, or when the operation's time is over. */
async function waitForLeaving(
  { what, timeout }: OperationRequest,
  signal: AbortSignal,
  ended: AbortSignal,
): Promise<DriverError> {
  const { promise, resolve } = Promise.withResolvers<DriverError>();
  const onAbort = () => resolve(describeAbort(what, signal));
  const timer = setTimeout(() => {
    resolve(new DriverError('deadline-exceeded', `${what}: no answer within ${timeout / 1000} s`));
  }, timeout);
  signal.addEventListener('abort', onAbort, { once: true, signal: ended });
  ended.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return await promise;
}

/**
 * Starts a process that stays connected to the cluster: an operation takes a tenth of what a process for it would.
 * @param onRetired called once, when it takes no more operations.
 */
export function startSessionServer(
  connection: Connection,
  start: StartLineServer,
  onRetired: () => void,
): SessionServer {
  const pending = new Map<number, Pending>();
  let isReady = false;
  let isRetired = false;
  let ended: Error | undefined;
  let nextId = 1;
  let lastAnswer = performance.now();

  function end(error: Error): void {
    if (ended !== undefined) return;
    ended = error;
    for (const { reject } of pending.values()) reject(error);
    if (!isRetired) onRetired();
  }

  function killUseless(): void {
    if (isRetired && [...pending.values()].every(({ isLeft }) => isLeft)) child.kill();
  }

  /** It takes no more operations, and is killed when nobody waits for those that it has. */
  function retire(): void {
    if (isRetired || ended !== undefined) return;
    isRetired = true;
    onRetired();
  }

  function receive(message: Message): void {
    lastAnswer = performance.now();
    if ('ready' in message) {
      isReady = true;
    } else if ('refused' in message) {
      const result = { exitCode: message.refused, stdout: '', stderr: message.reason };
      end(failureOf(result, { what: 'connecting to the cluster', connection }));
    } else {
      const { id, code, out, reason } = message;
      pending.get(id)?.resolve({ exitCode: code, stdout: out, stderr: reason });
    }
  }

  const child = start({
    program: findInterpreter(),
    // Nothing is written beside the program, and nothing of the environment or the user's own modules is read.
    args: ['-B', '-E', '-s', PROGRAM],
    onLine: line => receive(JSON.parse(line) as Message),
    onEnd: why => end(new ServerEnd(connection.key.redact(why), !isReady && !isRetired)),
  });
  child.send(
    JSON.stringify({
      monitors: connection.monitors.join(','),
      userId: connection.userId,
      key: connection.key.reveal(),
      timeout: MONITOR_TIMEOUT,
    }),
  );

  /** Resolves when a change has ended that should not go on. */
  async function endChange(entry: Pending, answer: Promise<unknown>): Promise<void> {
    entry.isLeft = true;
    const giveUp = () => {
      retire();
      killUseless();
    };
    const timers = [setTimeout(giveUp, GRACE), setTimeout(() => child.kill(), GRACE + LAST_CHANCE)];
    await answer.catch(() => undefined);
    timers.forEach(clearTimeout);
  }

  async function run(request: OperationRequest, signal: AbortSignal): Promise<CommandResult> {
    if (ended !== undefined) throw ended;
    if (signal.aborted) throw describeAbort(request.what, signal);
    const { promise: answer, resolve, reject } = Promise.withResolvers<CommandResult>();
    const entry: Pending = { resolve, reject, isLeft: false };
    const id = nextId++;
    const started = performance.now();
    const over = new AbortController();
    pending.set(id, entry);
    child.send(JSON.stringify({ id, operation: request.name, args: request.args }));
    try {
      const outcome = await Promise.race([answer, waitForLeaving(request, signal, over.signal)]);
      if (!(outcome instanceof DriverError)) return outcome;
      if (isChange(request)) await endChange(entry, answer);
      else if (performance.now() - Math.max(lastAnswer, started) > SUSPICIOUS_SILENCE) retire();
      throw outcome;
    } finally {
      over.abort();
      pending.delete(id);
      killUseless();
    }
  }

  return {
    run,
    isBusy: () => pending.size > 0,
    stop() {
      child.stop();
      end(new ServerEnd('the connection was closed', false));
    },
  };
}
