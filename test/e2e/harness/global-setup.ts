import type { TestProject } from 'vitest/node';
import { findCluster } from '../../../dev/ceph/cluster.ts';
import { bringUp, type Lab } from '../../../dev/kubernetes/bring-up.ts';
import { makeDriverImage } from '../../../dev/kubernetes/driver-image.ts';
import { describeVersion, importImages } from '../../../dev/kubernetes/image-store.ts';
import { findNode, takeDown } from '../../../dev/kubernetes/take-down.ts';

declare module 'vitest' {
  interface ProvidedContext {
    lab: Lab;
    /** Of the driver's image: pods that were made with another one have to be made anew. */
    imageVersion: string;
  }
}

/** Of the run's own lab: always the same, so that the images are there from one run to the next. */
const NAME = 'e2e';

async function provide(project: TestProject, lab: Lab): Promise<void> {
  const images = await makeDriverImage();
  await importImages(lab.node, images);
  const versions = await Promise.all(images.map(({ file }) => describeVersion(file)));
  project.provide('lab', lab);
  project.provide('imageVersion', versions.join(' '));
}

async function findLab(name: string): Promise<Lab> {
  const [node, cluster] = await Promise.all([findNode(name), findCluster(name)]);
  if (node === undefined || cluster === undefined) {
    throw new Error(`KUBERNETES_LAB: there is no Kubernetes "${name}"`);
  }
  return { node, cluster };
}

/**
 * Brings up a Kubernetes of one node with a Ceph beside it, and takes both down at the end. `KUBERNETES_LAB=NAME` uses
 * ones that are up already (`npm run lab -- kubernetes up --name NAME`), and leaves them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const existing = process.env['KUBERNETES_LAB'];
  if (existing !== undefined) {
    await provide(project, await findLab(existing));
    return () => Promise.resolve();
  }
  const lab = await bringUp(NAME, step => process.stderr.write(`lab: ${step}\n`));
  try {
    await provide(project, lab);
  } catch (error) {
    await takeDown(NAME);
    throw error;
  }
  return () => takeDown(NAME);
}
