import type { Context } from '../model/call.ts';
import type { ClusterSource } from './clusters.ts';
import type { NodeLabels } from './node-labels.ts';
import { shortName } from './node-topology.ts';

/**
 * Options that make a kernel's client, of RBD or CephFS, read from the replica nearest to this node; none where the
 * cluster's entry does not ask for it.
 */
export type ReadAffinity = (clusterId: string, context: Context) => Promise<readonly string[]>;

/** Where an entry of the clusters file names no labels: those of Kubernetes, and those that Rook makes its CRUSH map of. */
const DEFAULT_LABELS = [
  'kubernetes.io/hostname',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  ...['chassis', 'rack', 'row', 'pdu', 'pod', 'room', 'datacenter'].map(type => `topology.rook.io/${type}`),
];

/** The type of CRUSH bucket that a label tells: what stands behind its `/`, with Kubernetes' one exception. */
function bucketType(label: string): string {
  const name = shortName(label);
  return name === 'hostname' ? 'host' : name;
}

/**
 * `host:a|zone:b` of the labels that the node has. Dots of their values are dashes in CRUSH, as Rook has it.
 * @returns undefined when the node has none of them.
 */
export function formatCrushLocation(names: readonly string[], labels: NodeLabels): string | undefined {
  const places = (names.length === 0 ? DEFAULT_LABELS : names).flatMap(name => {
    const value = labels[name] ?? '';
    return value === '' ? [] : [`${bucketType(name)}:${value.replaceAll('.', '-')}`];
  });
  return places.length === 0 ? undefined : places.join('|');
}

/**
 * @param readLabels is asked once it is needed, and until it has answered: labels that change later count after a
 *   restart. While it fails, reads go wherever they go without an affinity: no volume fails for that.
 */
export function createReadAffinity(
  clusters: ClusterSource,
  readLabels: (signal: AbortSignal) => Promise<NodeLabels>,
): ReadAffinity {
  let labels: NodeLabels | undefined;
  return async (clusterId, { signal, log }) => {
    const { readAffinity } = clusters.find(clusterId);
    if (!readAffinity.enabled) return [];
    try {
      labels ??= await readLabels(signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ clusterId, err: error }, 'readAffinity: reads of this volume go to any replica');
      return [];
    }
    const location = formatCrushLocation(readAffinity.crushLocationLabels, labels);
    if (location !== undefined) return ['read_from_replica=localize', `crush_location=${location}`];
    log.warn(
      { clusterId, crushLocationLabels: readAffinity.crushLocationLabels },
      'readAffinity: this node has none of the labels: reads of this volume go to any replica',
    );
    return [];
  };
}
