import type { TestProject } from 'vitest/node';
import { findObstacle } from '../../dev/guest/kernel.ts';
import { chooseClusterAddress } from '../../dev/guest/network.ts';
import { provideCluster } from '../ceph/harness/global-setup.ts';

/** A cluster that guests reach; none where no guest can run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if ((await findObstacle()) !== undefined) return () => Promise.resolve();
  return await provideCluster(project, 'guest', { address: chooseClusterAddress() });
}
