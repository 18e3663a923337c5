import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import type { Node } from './node.ts';
import { binDirectory } from './places.ts';

/** The lab's own, or where none has been built, the machine's. */
function findKubectl(): string {
  const own = join(binDirectory, 'kubectl');
  return existsSync(own) ? own : 'kubectl';
}

/** Runs kubectl as the administrator. */
export async function kubectl(node: Pick<Node, 'kubeconfig'>, ...args: readonly string[]): Promise<string> {
  return await runProgram(findKubectl(), ['--kubeconfig', node.kubeconfig, ...args], {
    timeout: 600_000,
  });
}
