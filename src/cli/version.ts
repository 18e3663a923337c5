import packageJson from '../../package.json' with { type: 'json' };
import type { CliCommand } from './command.ts';

const { name, version } = packageJson;

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
