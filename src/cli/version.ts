import { readFileSync } from 'node:fs';
import type { CliCommand } from './command.ts';

interface PackageJson {
  readonly name: string;
  readonly version: string;
}

const { name, version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as PackageJson;

/** The version of this program, which is also the `vendor_version` of GetPluginInfo. */
export const VERSION = version;

export const versionCommand: CliCommand = {
  name: 'version',
  summary: 'print the version',
  run() {
    console.log(`${name} ${version}`);
    return Promise.resolve(0);
  },
};
