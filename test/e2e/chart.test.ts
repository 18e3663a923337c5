import { beforeAll, expect, test } from 'vitest';
import { join } from 'node:path';
import { renderObjects } from '../chart/helm.ts';
import { createDefinitions } from './definitions.ts';
import { kubectl } from './harness/cluster.ts';
import { withFile } from './harness/driver.ts';
import { useNamespace } from './harness/namespace.ts';

const namespace = useNamespace('chart');

beforeAll(async () => {
  const items = createDefinitions();
  await withFile({ apiVersion: 'v1', kind: 'List', items }, async file => {
    await kubectl('apply', `--filename=${file}`);
    await kubectl('wait', '--for=condition=Established', '--timeout=240s', `--filename=${file}`);
  });
  return () =>
    withFile({ apiVersion: 'v1', kind: 'List', items }, async file => {
      await kubectl('delete', `--filename=${file}`, '--ignore-not-found');
    });
});

test.each(['defaults', 'everything'])(
  'the API server takes each object of the chart with the values %s',
  async name => {
    const values = join(import.meta.dirname, `../chart/values/${name}.yaml`);
    const objects = await renderObjects(['--values', values]);
    // In the test's namespace and by other names, for none to meet an object that is there.
    const items = objects.map(object => ({
      ...object,
      metadata: {
        ...object.metadata,
        name: `dry-run-${object.metadata.name}`,
        ...(object.metadata.namespace === undefined ? {} : { namespace: namespace.name }),
      },
    }));
    expect(items.length).toBeGreaterThan(10);
    const options = ['--server-side', '--dry-run=server', '--validate=strict', '--output=name'];
    const accepted = await withFile({ apiVersion: 'v1', kind: 'List', items }, file =>
      kubectl('apply', ...options, `--filename=${file}`),
    );
    expect(accepted.trimEnd().split('\n')).toHaveLength(items.length);
  },
);
