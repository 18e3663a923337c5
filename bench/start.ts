/**
 * `node bench/start.ts [N]`: how long the program takes until it serves both drivers, and what it holds then, from the
 * sources, as a bundle, and as the image starts it; the median of N starts of each (default 7). Needs no Ceph.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { writeBundle } from '../dev/bundle.ts';
import { readInstruction } from '../dev/dockerfile.ts';
import { readProcessTree } from './process-tree.ts';

/** Milliseconds from serving to the look at the memory. */
const SETTLE = 6_000;
/** Milliseconds between two looks at whether it serves. */
const POLL = 2;

interface Variant {
  readonly name: string;
  /** Of Node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Start {
  /** Milliseconds. */
  readonly ready: number;
  readonly mebibytes: number;
  /** Milliseconds of the processors, which other work on the machine lengthens less. */
  readonly cpu: number;
}

async function isAccepting(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function measureStart({ args, env }: Variant, role: string, directory: string): Promise<Start> {
  const sockets = ['rbd', 'cephfs'].map(driver => join(directory, `${driver}.sock`));
  const [rbd, cephfs] = sockets.map(socket => `unix://${socket}`);
  const options = { role, 'rbd-endpoint': rbd, 'cephfs-endpoint': cephfs };
  const flags = Object.entries(options).map(([flag, value]) => `--${flag}=${value ?? ''}`);
  const files = [`--clusters-file=${join(directory, 'clusters.json')}`];
  const started = performance.now();
  const child = spawn(process.execPath, [...args, 'serve', ...flags, ...files], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    for (const socket of sockets) {
      while (!(await isAccepting(socket))) {
        if (child.exitCode !== null) throw new Error(`${args.join(' ')} did not start`);
        await sleep(POLL);
      }
    }
    const ready = performance.now() - started;
    await sleep(SETTLE);
    const [own] = await readProcessTree(child.pid ?? 0);
    return { ready, mebibytes: own?.mebibytes ?? 0, cpu: (own?.cpuSeconds ?? 0) * 1000 };
  } finally {
    child.kill();
    await ended;
  }
}

async function prepareVariants(directory: string): Promise<readonly Variant[]> {
  const bundle = join(directory, 'program/main.mjs');
  await writeBundle(join(directory, 'program'));
  const env = { NODE_COMPILE_CACHE: join(directory, 'compile-cache') };
  const flags = (await readInstruction('ENTRYPOINT')).slice(1, -1);
  // As the Dockerfile fills it.
  await promisify(execFile)(process.execPath, [bundle, 'version'], { env: { ...process.env, ...env } });
  return [
    { name: 'sources', args: [join(import.meta.dirname, '../src/main.ts')] },
    { name: 'bundle', args: [bundle] },
    { name: 'as in the image', args: [...flags, bundle], env },
  ];
}

function median(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0);
}

async function measureAll(count: number, directory: string): Promise<void> {
  await writeFile(join(directory, 'clusters.json'), '[]');
  const variants = await prepareVariants(directory);
  const cases = ['controller', 'node'].flatMap(role =>
    variants.map(variant => ({ role, variant, starts: [] as Start[] })),
  );
  // In turn, so that what else the machine does hits all of them.
  for (let round = 0; round < count; round += 1) {
    for (const { role, variant, starts } of cases) starts.push(await measureStart(variant, role, directory));
  }
  const rows = cases.map(({ role, variant, starts }) => {
    const [ready, cpu, memory] = (['ready', 'cpu', 'mebibytes'] as const).map(key =>
      median(starts.map(start => start[key])),
    );
    return [role, variant.name, `${ready ?? ''} ms`, `${cpu ?? ''} ms`, `${memory ?? ''} MiB`];
  });
  const header = ['role', 'started', 'ready', 'processor time', 'memory'];
  const lines = [header, header.map(() => '---'), ...rows];
  console.log(lines.map(cells => `| ${cells.join(' | ')} |`).join('\n'));
}

const [text = '7'] = process.argv.slice(2);
if (!/^[1-9]\d{0,2}$/.test(text)) throw new Error(`"${text}" is not a number of starts`);
const directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-start-'));
try {
  await measureAll(Number(text), directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
