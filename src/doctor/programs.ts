import { findInterpreter } from '../ceph/session-server.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { examine, fail, type Finding } from './finding.ts';

/** Milliseconds. */
const TIMEOUT = 30_000;

async function readOutput(
  exec: Exec,
  argv: readonly [string, ...string[]],
  context: Context,
): Promise<string> {
  const [program, ...args] = argv;
  const { exitCode, stdout, stderr } = await exec({ program, args, timeout: TIMEOUT }, context);
  if (exitCode !== 0) fail(`${argv.join(' ')} exits ${exitCode}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  return stdout.trim();
}

/** Looks at the programs of Ceph that come with the driver's image. */
export async function* examinePrograms(
  exec: Exec,
  context: Context,
): AsyncGenerator<Finding, void, undefined> {
  yield await examine("Ceph's programs", () => readOutput(exec, ['rbd', '--version'], context));
  const look = async () => {
    await readOutput(exec, [findInterpreter(), '-c', 'import rados, rbd'], context);
    return "Python has Ceph's modules";
  };
  const lasting = await examine('lasting connections', look, 'note');
  const consequence = '; the controller runs a program for each command instead';
  yield lasting.state === 'ok' ? lasting : { ...lasting, text: lasting.text + consequence };
}
