import { describe, expect, it } from 'vitest';
import { parseClusters, type Cluster, type ClusterSource } from '../../src/config/clusters.ts';
import { createReadAffinity, formatCrushLocation } from '../../src/config/read-affinity.ts';
import type { NodeLabels } from '../../src/config/node-labels.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const LABELS = {
  'kubernetes.io/hostname': 'node-1.example.org',
  'topology.kubernetes.io/zone': 'zone-a',
  'topology.rook.io/rack': 'r2',
  'example.org/chassis': 'c3',
};

function clustersWith(readAffinity: object): ClusterSource {
  const list = () =>
    parseClusters(JSON.stringify([{ clusterID: 'c', monitors: ['m'], readAffinity }])) as [Cluster];
  return { list, find: () => list()[0] };
}

describe('the CRUSH location of a node', () => {
  it.each([
    [[], 'host:node-1-example-org|zone:zone-a|rack:r2'],
    [['topology.kubernetes.io/zone', 'example.org/chassis'], 'zone:zone-a|chassis:c3'],
    [['topology.kubernetes.io/region'], undefined],
  ])('by the labels %j is %s', (names, location) => {
    expect(formatCrushLocation(names, LABELS)).toBe(location);
  });
});

describe('read affinity', () => {
  const options = (location: string) => ['read_from_replica=localize', `crush_location=${location}`];
  const crushLocationLabels = ['topology.kubernetes.io/zone'];

  it('is not asked for where the cluster does not want it', async () => {
    const affinity = createReadAffinity(clustersWith({ crushLocationLabels }), () =>
      Promise.reject(new Error('asked')),
    );
    expect(await affinity('c', createTestContext())).toEqual([]);
  });

  it('needs the labels once', async () => {
    let asked = 0;
    const affinity = createReadAffinity(clustersWith({ enabled: true, crushLocationLabels }), () => {
      asked += 1;
      return Promise.resolve<NodeLabels>(LABELS);
    });
    expect(await affinity('c', createTestContext())).toEqual(options('zone:zone-a'));
    expect(await affinity('c', createTestContext())).toEqual(options('zone:zone-a'));
    expect(asked).toBe(1);
  });

  it('is done without as long as nobody tells the labels', async () => {
    const answers = [Promise.reject(new Error('the API is away')), Promise.resolve(LABELS)];
    answers[0]?.catch(() => undefined);
    const affinity = createReadAffinity(
      clustersWith({ enabled: true, crushLocationLabels }),
      async () => (await answers.shift()) ?? {},
    );
    expect(await affinity('c', createTestContext())).toEqual([]);
    expect(await affinity('c', createTestContext())).toEqual(options('zone:zone-a'));
  });

  it('is done without on a node that has none of the labels', async () => {
    const affinity = createReadAffinity(clustersWith({ enabled: true, crushLocationLabels }), () =>
      Promise.resolve({}),
    );
    expect(await affinity('c', createTestContext())).toEqual([]);
  });
});
