import { parseArgs } from 'node:util';
import { runInGuest } from './guest.ts';
import { findObstacle } from './kernel.ts';

export const GUEST_USAGE = 'guest [--modules NAME,…] [--memory MIB] -- COMMAND [ARGUMENT…]';

/** What the driver's node service can use of a kernel. */
export const DRIVER_MODULES = ['rbd', 'nbd', 'ceph', 'fuse', 'loop', 'dm-crypt'] as const;

/** `npm run lab -- guest …`: resolves to the command's exit code. */
export async function runGuestTask(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      modules: { type: 'string', default: DRIVER_MODULES.join(',') },
      memory: { type: 'string', default: '2048' },
    },
    allowPositionals: true,
  });
  if (positionals.length === 0) throw new Error(`usage: npm run lab -- ${GUEST_USAGE}`);
  if (!/^[1-9]\d{2,5}$/.test(values.memory)) {
    throw new Error(`--memory: "${values.memory}" is not a size in MiB from 100 on`);
  }
  const obstacle = await findObstacle();
  if (obstacle !== undefined) throw new Error(`no kernel guest: ${obstacle}`);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort(new Error(`${signal}: the guest was switched off`)));
  }
  return await runInGuest({
    argv: positionals,
    directory: process.cwd(),
    environment: process.env,
    modules: values.modules.split(',').filter(module => module !== ''),
    memory: Number(values.memory),
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
  });
}
