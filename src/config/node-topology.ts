import { DriverError } from '../model/errors.ts';
import type { Topology } from '../model/volume.ts';
import type { NodeLabels } from './node-labels.ts';

/** What stands behind the `/` of a label's name: `zone` of `topology.kubernetes.io/zone`. */
export function shortName(label: string): string {
  return label.slice(label.lastIndexOf('/') + 1);
}

/**
 * The segments of a node's topology: `topology.rbd.csi-driver-ceph.io/zone` with the value of the label
 * `topology.kubernetes.io/zone`.
 * @throws DriverError `failed-precondition` naming a label that the node lacks: Kubernetes would take volumes for reachable
 *   there that are not.
 */
export function topologyOf(
  driverName: string,
  domainLabels: readonly string[],
  labels: NodeLabels,
): Topology {
  const segments = domainLabels.map(label => {
    const value = labels[label] ?? '';
    if (value !== '') return [`topology.${driverName}/${shortName(label)}`, value] as const;
    throw new DriverError(
      'failed-precondition',
      `--domain-labels: this node has no label "${label}"; it has ${Object.keys(labels).join(', ')}`,
    );
  });
  return Object.fromEntries(segments);
}
