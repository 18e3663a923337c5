/** The checks that need no Ceph, side by side; the output of one is shown as a whole when it has ended. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const root = join(import.meta.dirname, '..');

const checks = {
  'unit tests': ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit'],
  types: ['node_modules/typescript/bin/tsc', '--noEmit', '--project', '.'],
  lint: ['node_modules/eslint/bin/eslint.js', '.'],
  format: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  'generated code': ['dev/generate.ts', '--check'],
} as const;

/** Runs one check; resolves to whether it passed. */
async function runCheck(name: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>(resolve => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([buffer(child.stdout), buffer(child.stderr), exited]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(stdout);
  process.stdout.write(stderr);
  console.log(`${code === 0 ? 'passed' : 'FAILED'}: ${name} (${seconds} s)`);
  return code === 0;
}

const results = await Promise.all(Object.entries(checks).map(([name, args]) => runCheck(name, args)));
process.exitCode = results.every(passed => passed) ? 0 : 1;
