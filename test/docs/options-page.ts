import { format, resolveConfig } from 'prettier';
import { DOCTOR_OPTIONS } from '../../src/config/doctor-options.ts';
import { OPTIONS, type OptionDescription } from '../../src/config/option-table.ts';
import { environmentVariableOf } from '../../src/config/settings.ts';

const INTRODUCTION = `# Options of \`csi-driver-ceph serve\`

Each option is a flag or an environment variable; the flag wins. The Helm chart sets them from its values, and takes
more in \`controller.extraArgs\` and \`node.extraArgs\`. \`csi-driver-ceph --help\` lists the other commands.

`;

function describe(option: OptionDescription): string {
  const choices =
    option.choices === undefined ? '' : ` One of ${option.choices.map(one => `\`${one}\``).join(', ')}.`;
  const fallback = option.fallback === '' ? '' : `\`${option.fallback}\``;
  return `| \`--${option.flag}\` | \`${environmentVariableOf(option)}\` | ${fallback} | ${option.help}${choices} |`;
}

const DOCTOR = `

## Options of \`csi-driver-ceph doctor\`

[What it looks at](operations.md#the-doctor). Those that \`serve\` has, too, have the same meaning.

`;

function writeTable(options: readonly OptionDescription[]): string {
  const head = ['| Flag | Environment variable | Default | Meaning |', '| --- | --- | --- | --- |'];
  return [...head, ...options.map(describe)].join('\n');
}

/** docs/options.md, from the tables that the command lines are parsed by. */
export async function writeOptionsPage(file: string): Promise<string> {
  const serve = writeTable(Object.values(OPTIONS));
  const doctor = writeTable(Object.values(DOCTOR_OPTIONS));
  return format(`${INTRODUCTION}${serve}${DOCTOR}${doctor}\n`, {
    ...(await resolveConfig(file)),
    filepath: file,
  });
}
