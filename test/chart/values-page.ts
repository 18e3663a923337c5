import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import { CHART } from './helm.ts';

/** What the page reads of a JSON schema. */
interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

interface Row {
  readonly key: string;
  readonly fallback: string;
  readonly description: string;
}

function lookUp(values: unknown, key: string): unknown {
  return typeof values === 'object' && values !== null ? (values as Record<string, unknown>)[key] : undefined;
}

function describe(schema: Schema, key: string, isRequired: boolean): string {
  if (schema.description === undefined) throw new Error(`values.schema.json: ${key} has no description`);
  const choices =
    schema.enum === undefined ? '' : ` One of ${schema.enum.map(one => `\`${one}\``).join(', ')}.`;
  return `${schema.description}${choices}${isRequired ? ' Required.' : ''}`;
}

/** The rows of a schema's keys, depth first; `values` are the chart's defaults at the same place. */
function listRows(schema: Schema, values: unknown, path: string): readonly Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = path === '' ? name : `${path}.${name}`;
    const value = lookUp(values, name);
    const own = {
      key,
      fallback: value === undefined ? '' : `\`${JSON.stringify(value)}\``,
      description:
        child.properties === undefined || child.description !== undefined
          ? describe(child, key, schema.required?.includes(name) ?? false)
          : '',
    };
    if (child.properties !== undefined) {
      const rows = listRows(child, value, key);
      return child.description === undefined ? rows : [own, ...rows];
    }
    const items = child.items?.properties === undefined ? [] : listRows(child.items, undefined, `${key}[]`);
    return [own, ...items];
  });
}

const INTRODUCTION = `# csi-driver-ceph

The Helm chart of the Ceph CSI driver: one controller Deployment and one node DaemonSet serve RBD block volumes and
CephFS shared file systems. [docs/installation.md](../../docs/installation.md) leads through an installation,
[docs/parameters.md](../../docs/parameters.md) lists what classes, Secrets and the clusters file take, and
[docs/operations.md](../../docs/operations.md) helps when something is wrong.

\`\`\`sh
helm install ceph charts/csi-driver-ceph --namespace ceph-csi --create-namespace --values my-values.yaml
\`\`\`

A key that is not in this table makes the installation fail with its name.

## Values

`;

/** README.md of the chart: its values, their defaults and meanings, from values.schema.json and values.yaml. */
export async function writeValuesPage(): Promise<string> {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
  const values: unknown = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  const rows = listRows(schema, values, '').filter(row => row.key !== 'global');
  const lines = rows.map(row => `| \`${row.key}\` | ${row.fallback} | ${row.description} |`);
  const table = ['| Key | Default | Meaning |', '| --- | --- | --- |', ...lines].join('\n');
  const file = join(CHART, 'README.md');
  return format(`${INTRODUCTION}${table}\n`, { ...(await resolveConfig(file)), filepath: file });
}
