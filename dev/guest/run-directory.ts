import { access, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestNetwork } from './network.ts';

/** What a guest is to do. */
export interface GuestCommand {
  readonly argv: readonly string[];
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** The one directory that this machine and a guest share for writing; init.sh tells what is in it. */
export interface RunDirectory {
  readonly path: string;
  has(file: 'started' | 'exit-code'): Promise<boolean>;
  announceNetwork(): Promise<void>;
  /** undefined: the guest did not come as far as that. */
  readExitCode(): Promise<number | undefined>;
  /** The end of what the kernel and init.sh printed. */
  readConsole(): Promise<string>;
  remove(): Promise<void>;
}

/** Those that belong to the shell that runs here. */
const OWN_VARIABLES = ['PWD', 'OLDPWD', 'SHLVL', '_', 'TERM'];
const CONSOLE_LINES = 20;

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function formatCommand({ argv, directory, environment }: GuestCommand): string {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined || OWN_VARIABLES.includes(name) || !/^[A-Za-z_]\w*$/.test(name)
      ? []
      : [`export ${name}=${quote(value)}`],
  );
  const lines = [...variables, 'export TERM=dumb', `cd ${quote(directory)} || exit 125`];
  return `${[...lines, `exec ${argv.map(quote).join(' ')}`].join('\n')}\n`;
}

/** Makes the directory, within `parent`, with all that a guest looks for when it boots. */
export async function createRunDirectory(
  parent: string,
  command: GuestCommand,
  modules: readonly string[],
  network: GuestNetwork,
): Promise<RunDirectory> {
  const path = await mkdtemp(join(parent, 'csi-guest-'));
  const settings = { modules: modules.join(' '), address: network.address, gateway: network.gateway };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}\n`);
  await mkdir(join(path, 'layers'));
  await writeFile(join(path, 'settings'), lines.join(''));
  await writeFile(join(path, 'command'), formatCommand(command), { mode: 0o600 });
  await copyFile(join(import.meta.dirname, 'init.sh'), join(path, 'init.sh'));
  return {
    path,
    has: file =>
      access(join(path, file)).then(
        () => true,
        () => false,
      ),
    announceNetwork: () => writeFile(join(path, 'network-ready'), ''),
    async readExitCode() {
      const text = (await readFile(join(path, 'exit-code'), 'utf8').catch(() => '')).trim();
      return text === '' ? undefined : Number(text);
    },
    async readConsole() {
      const text = await readFile(join(path, 'console'), 'utf8').catch(() => '');
      return text.trim().split('\n').slice(-CONSOLE_LINES).join('\n');
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
