import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import type { Node } from './node.ts';
import { binDirectory } from './places.ts';

/** Runs kubectl as the administrator. */
export async function kubectl(node: Pick<Node, 'kubeconfig'>, ...args: readonly string[]): Promise<string> {
  return await runProgram(join(binDirectory, 'kubectl'), ['--kubeconfig', node.kubeconfig, ...args], {
    timeout: 600_000,
  });
}
