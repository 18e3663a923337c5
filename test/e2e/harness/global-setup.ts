import { readFile } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { parse } from 'yaml';
import { findCluster, type Cluster } from '../../../dev/ceph/cluster.ts';
import { bringUp, type Lab } from '../../../dev/kubernetes/bring-up.ts';
import { DRIVER_IMAGE, makeDriverImage } from '../../../dev/kubernetes/driver-image.ts';
import { describeVersion, importImages } from '../../../dev/kubernetes/image-store.ts';
import { LIVENESS_IMAGE, REGISTRAR_IMAGE } from '../../../dev/kubernetes/images.ts';
import { findNode, takeDown } from '../../../dev/kubernetes/take-down.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The administrator's, of the Kubernetes of this run. */
    kubeconfig: string;
    cluster: Cluster;
    /** Of the chart, for that Kubernetes: which images it has. They count for more than the tests' own. */
    values: object;
    /** Of the driver's image: pods that were made with another one have to be made anew. */
    imageVersion: string;
  }
}

/** Of the run's own lab: always the same, so that the images are there from one run to the next. */
const NAME = 'e2e';

async function provideLab(project: TestProject, { node, cluster }: Lab): Promise<void> {
  const images = await makeDriverImage();
  await importImages(node, images);
  const versions = await Promise.all(images.map(({ file }) => describeVersion(file)));
  project.provide('kubeconfig', node.kubeconfig);
  project.provide('cluster', cluster);
  project.provide('values', {
    image: DRIVER_IMAGE,
    sidecars: { registrar: { image: REGISTRAR_IMAGE }, livenessProbe: { image: LIVENESS_IMAGE } },
  });
  project.provide('imageVersion', versions.join(' '));
}

async function findLab(name: string): Promise<Lab> {
  const [node, cluster] = await Promise.all([findNode(name), findCluster(name)]);
  if (node === undefined || cluster === undefined) {
    throw new Error(`KUBERNETES_LAB: there is no Kubernetes "${name}"`);
  }
  return { node, cluster };
}

/** Not by KUBECONFIG alone: nobody shall have these tests run where they work by accident. */
async function provideForeign(project: TestProject, valuesFile: string): Promise<void> {
  const { KUBECONFIG: kubeconfig, CEPH_LAB: name } = process.env;
  if (kubeconfig === undefined || name === undefined) {
    throw new Error('E2E_VALUES needs KUBECONFIG, and CEPH_LAB with the name of a Ceph that the nodes reach');
  }
  const cluster = await findCluster(name);
  if (cluster === undefined) throw new Error(`CEPH_LAB: there is no Ceph "${name}"`);
  project.provide('kubeconfig', kubeconfig);
  project.provide('cluster', cluster);
  project.provide('values', parse(await readFile(valuesFile, 'utf8')) as object);
  project.provide('imageVersion', '');
}

const nothing = () => Promise.resolve();

/**
 * Brings up a Kubernetes of one node with a Ceph beside it, and takes both down at the end. `KUBERNETES_LAB=NAME` uses
 * ones that are up already (`npm run lab -- kubernetes up --name NAME`), and leaves them; `E2E_VALUES=FILE` uses the
 * Kubernetes of KUBECONFIG, whatever it is, with these values of the chart.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { KUBERNETES_LAB: existing, E2E_VALUES: valuesFile } = process.env;
  if (valuesFile !== undefined) {
    await provideForeign(project, valuesFile);
    return nothing;
  }
  if (existing !== undefined) {
    await provideLab(project, await findLab(existing));
    return nothing;
  }
  const lab = await bringUp(NAME, step => process.stderr.write(`lab: ${step}\n`));
  try {
    await provideLab(project, lab);
  } catch (error) {
    await takeDown(NAME);
    throw error;
  }
  return () => takeDown(NAME);
}
