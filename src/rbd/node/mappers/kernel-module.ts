import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Exec } from '../../../exec/command.ts';
import type { Context } from '../../../model/call.ts';
import { isErrorOfKind } from '../../../model/errors.ts';

/** Milliseconds. */
const MODPROBE_TIMEOUT = 10_000;

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** Why a program cannot be run here; undefined when it is installed. */
export async function findMissingProgram(program: string): Promise<string | undefined> {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  for (const directory of directories) if (await exists(join(directory, program))) return undefined;
  return `the program ${program} is not installed here`;
}

/**
 * Why the kernel offers no `path`, which one of its modules makes; undefined when it does, if need be after loading
 * the module.
 */
export async function findMissingModule(
  module: string,
  path: string,
  exec: Exec,
  context: Context,
): Promise<string | undefined> {
  if (await exists(path)) return undefined;
  try {
    const command = { program: 'modprobe', args: [module], timeout: MODPROBE_TIMEOUT };
    const result = await exec(command, context);
    if (await exists(path)) return undefined;
    const said = result.stderr.trim();
    return `the kernel has no ${path}, and modprobe ${module} ${said === '' ? 'did not help' : `says: ${said}`}`;
  } catch (error) {
    if (!isErrorOfKind(error, 'failed-precondition')) throw error;
    return `the kernel has no ${path}, and ${error.message}`;
  }
}
