import { describe, expect, it } from 'vitest';
import { topologyOf } from '../../src/config/node-topology.ts';

const labels = {
  'topology.kubernetes.io/zone': 'east',
  'example.org/rack': 'r1',
  'kubernetes.io/os': 'linux',
};

describe("a node's topology", () => {
  it('has a segment for each of the labels, under the name of the driver', () => {
    const names = ['topology.kubernetes.io/zone', 'example.org/rack'];
    expect(topologyOf('rbd.example.org', names, labels)).toEqual({
      'topology.rbd.example.org/zone': 'east',
      'topology.rbd.example.org/rack': 'r1',
    });
  });

  it('is not told without one of them', () => {
    const tell = () => topologyOf('rbd.example.org', ['topology.kubernetes.io/region'], labels);
    expect(tell).toThrow(expect.objectContaining({ kind: 'failed-precondition' }));
    expect(tell).toThrow('no label "topology.kubernetes.io/region"; it has topology.kubernetes.io/zone, ');
  });
});
