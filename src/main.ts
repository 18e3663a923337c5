#!/usr/bin/env node
import type { CliCommand } from './cli/command.ts';
import { doctorCommand } from './cli/doctor.ts';
import { serveCommand } from './cli/serve.ts';
import { versionCommand } from './cli/version.ts';
import { isErrorOfKind } from './model/errors.ts';

const commands: readonly CliCommand[] = [serveCommand, doctorCommand, versionCommand];

function printHelp(): void {
  const width = Math.max(...commands.map(command => command.name.length));
  const lines = commands.map(command => `  ${command.name.padEnd(width)}  ${command.summary}`);
  process.stdout.write(
    `A Ceph CSI driver: RBD block volumes and CephFS shared file systems for Kubernetes.\n\n` +
      `Usage: csi-driver-ceph COMMAND [OPTIONS]\n\n${lines.join('\n')}\n\n` +
      'csi-driver-ceph COMMAND --help tells the options of a command.\n',
  );
}

/** The exit code: 0 for success, 1 for a failure, 2 for a command line that is wrong. */
async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    printHelp();
    return name === undefined ? 2 : 0;
  }
  const command = commands.find(candidate => candidate.name === name.replace(/^--(?=version$)/, ''));
  if (command === undefined) {
    process.stderr.write(
      `csi-driver-ceph: there is no command "${name}"; it is one of ${commands.map(known => known.name).join(', ')}\n`,
    );
    return 2;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    process.stderr.write(
      `csi-driver-ceph ${name}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return isErrorOfKind(error, 'invalid-argument') ? 2 : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
