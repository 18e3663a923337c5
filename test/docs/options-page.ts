import { format, resolveConfig } from 'prettier';
import { OPTIONS, type OptionDescription } from '../../src/config/option-table.ts';
import { environmentVariableOf } from '../../src/config/options.ts';

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

/** docs/options.md, from the table that the command line is parsed by. */
export async function writeOptionsPage(file: string): Promise<string> {
  const rows = Object.values<OptionDescription>(OPTIONS).map(describe);
  const table = ['| Flag | Environment variable | Default | Meaning |', '| --- | --- | --- | --- |', ...rows];
  return format(`${INTRODUCTION}${table.join('\n')}\n`, { ...(await resolveConfig(file)), filepath: file });
}
