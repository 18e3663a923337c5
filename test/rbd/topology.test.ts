import { describe, expect, it } from 'vitest';
import { choosePools } from '../../src/rbd/topology.ts';

const KEY = 'topology.rbd.csi-driver-ceph.io';
const at = (zone: string) => ({ [`${KEY}/region`]: 'north', [`${KEY}/zone`]: zone, [`${KEY}/host`]: 'a' });
const pool = (poolName: string, zone: string, more: object = {}) => ({
  poolName,
  domainSegments: [
    { domainLabel: 'region', value: 'north' },
    { domainLabel: 'zone', value: zone },
  ],
  ...more,
});
const pools = JSON.stringify([pool('east', 'e'), pool('west', 'w', { dataPool: 'west-ec' })]);

describe('the pools of a class that constrains them by topology', () => {
  it('begin with the one for the most preferred topology that has one', () => {
    const accessibility = { preferred: [at('nowhere'), at('w'), at('e')], requisite: [at('e'), at('w')] };
    expect(choosePools(pools, accessibility)).toEqual([
      {
        name: 'west',
        dataPool: 'west-ec',
        accessibleTopology: { [`${KEY}/region`]: 'north', [`${KEY}/zone`]: 'w' },
      },
      { name: 'east', accessibleTopology: { [`${KEY}/region`]: 'north', [`${KEY}/zone`]: 'e' } },
    ]);
  });

  it('say of the others whether they would do', () => {
    expect(choosePools(pools, { preferred: [], requisite: [at('e')] })).toEqual([
      { name: 'east', accessibleTopology: { [`${KEY}/region`]: 'north', [`${KEY}/zone`]: 'e' } },
      { name: 'west', dataPool: 'west-ec' },
    ]);
  });

  it('are none where nothing is reached', () => {
    const choose = () => choosePools(pools, { preferred: [], requisite: [at('s')] });
    expect(choose).toThrow(expect.objectContaining({ kind: 'resource-exhausted' }));
    expect(choose).toThrow(/accessibility_requirements: no pool .*"s"/);
  });

  it.each([
    ['[', 'is not JSON'],
    ['{}', 'names no pool'],
    ['[]', 'names no pool'],
    ['[{"poolName": "a/b"}]', 'has "a/b" for the name of a pool'],
    ['[{"dataPool": "b"}]', 'has nothing for the name of a pool'],
    ['[{"poolName": "a", "dataPool": 7}]', 'has 7 for the name of a pool'],
    ['[{"poolName": "a"}]', 'has no domainSegments for pool "a"'],
    ['[{"poolName": "a", "domainSegments": [{"domainLabel": "zone"}]}]', 'is not a label and its value'],
  ])('are refused when they are given as %s', (value, message) => {
    const choose = () => choosePools(value, { preferred: [], requisite: [at('e')] });
    expect(choose).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
    expect(choose).toThrow(message);
  });
});
