import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseClusters } from '../../src/config/clusters.ts';
import { parseServeOptions } from '../../src/config/options.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Container, KubernetesObject, PodSpec } from './helm.ts';
import {
  CHART,
  lintChart,
  parseObjects,
  podsOf,
  renderChart,
  renderNotes,
  renderObjects,
  SKIPS,
} from './helm.ts';

const valuesFile = (name: string) => fileURLToPath(new URL(`values/${name}.yaml`, import.meta.url));
const SETTINGS = ['defaults', 'everything', 'rbd-only', 'cephfs-only'];

function driverOf(pod: PodSpec): Container {
  const driver = pod.containers.find(container => container.name === 'driver');
  if (driver === undefined) throw new Error('no container "driver"');
  return driver;
}

/** Every pair of verb and resource that a set of roles allows. */
function grantsOf(objects: readonly KubernetesObject[], kind: string): readonly string[] {
  const rules = objects.filter(object => object.kind === kind).flatMap(object => object.rules ?? []);
  return rules.flatMap(rule =>
    rule.resources.flatMap(resource => rule.verbs.map(verb => `${verb} ${resource}`)),
  );
}

describe.skipIf(SKIPS).each(SETTINGS)('the chart with the values %s', name => {
  const args = ['--values', valuesFile(name)];
  let manifests = '';

  beforeAll(async () => {
    manifests = await renderChart(args);
  });

  test('passes helm lint', async () => {
    expect(await lintChart(args)).toBeUndefined();
  });

  test('renders what was reviewed', async () => {
    await expect(manifests).toMatchFileSnapshot(`rendered/${name}.yaml`);
  });

  test('starts the driver with options that it accepts', () => {
    const { controller, node } = podsOf(parseObjects(manifests));
    const roles = [controller, node].map(pod => {
      const [command, ...options] = driverOf(pod).args;
      expect(command).toBe('serve');
      return parseServeOptions(options, {});
    });
    expect(roles.map(role => [role.servesController, role.servesNode])).toEqual([
      [true, false],
      [false, true],
    ]);
    const served = { rbd: name !== 'cephfs-only', cephfs: name !== 'rbd-only' };
    for (const role of roles) {
      expect({ rbd: 'rbdEndpoint' in role, cephfs: 'cephfsEndpoint' in role }).toEqual(served);
    }
  });

  test('writes a clusters file that the driver reads', () => {
    const objects = parseObjects(manifests);
    const file = objects.find(object => object.kind === 'ConfigMap')?.data?.['config.json'];
    expect(parseClusters(file ?? '').length).toBe(name === 'everything' ? 1 : 0);
  });

  test('makes pods whose parts fit together', () => {
    const pods = podsOf(parseObjects(manifests));
    for (const pod of [pods.controller, pods.node]) {
      const volumes = pod.volumes.map(volume => volume.name);
      const mounted = pod.containers.flatMap(container => container.volumeMounts.map(mount => mount.name));
      expect(new Set(mounted)).toEqual(new Set(volumes));
      const ports = pod.containers.flatMap(container => container.ports ?? []);
      expect(new Set(ports.map(port => port.name)).size).toBe(ports.length);
      expect(new Set(ports.map(port => port.containerPort)).size).toBe(ports.length);
      for (const port of ports) expect(port.name).toMatch(/^[a-z0-9-]{1,15}$/);
      const names = pod.containers.map(container => container.name);
      expect(new Set(names).size).toBe(names.length);
      for (const container of pod.containers) expect(container).toHaveProperty('resources.requests');
    }
  });

  test('gives the controller no privilege, and the node plugin no token', () => {
    const { controller, node } = podsOf(parseObjects(manifests));
    expect(controller.securityContext).toMatchObject({ runAsNonRoot: true });
    for (const container of controller.containers) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      });
    }
    expect(node.automountServiceAccountToken).toBe(false);
  });
});

describe.skipIf(SKIPS)('the chart', () => {
  const everything = ['--values', valuesFile('everything')];

  test('has the version of the driver', () => {
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as {
      version: string;
      appVersion: string;
    };
    const file = new URL('../../package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    expect(chart).toMatchObject({ version, appVersion: version });
  });

  test.each(['controller', 'node'] as const)('scrapes all ports with metrics of the %s', async component => {
    const objects = await renderObjects(everything);
    const notMetrics = ['healthz', 'blocks-grpc'];
    const serving = podsOf(objects)
      [component].containers.flatMap(container => container.ports ?? [])
      .filter(port => !notMetrics.includes(port.name));
    const service = objects.find(({ kind, metadata }) => {
      return kind === 'Service' && metadata.name.endsWith(`${component}-metrics`);
    });
    const byName = (one: { name: string }, other: { name: string }) => one.name.localeCompare(other.name);
    expect((service?.spec?.ports ?? []).toSorted(byName)).toEqual(
      serving
        .map(port => ({ name: port.name, port: port.containerPort, targetPort: port.name }))
        .sort(byName),
    );
    expect(serving.length).toBe(component === 'node' ? 1 : 12);
  });

  test('alerts on metrics that the driver has, and the operations page tells of each alert', async () => {
    const rules = (await renderObjects(everything)).find(({ kind }) => kind === 'PrometheusRule');
    const used = JSON.stringify(rules).match(/csi_driver_ceph_\w+/g) ?? [];
    const metrics = createMetrics({ version: '1', role: 'all' });
    metrics.observeCall('rbd', 'NodeStageVolume', 'OK', 1);
    const idle = { locksHeld: 0, callsJoined: 0, oldestLockSeconds: 0 };
    metrics.watchDriver('rbd', () => ({ ...idle, purgesPending: 0, flatteningsPending: 0 }));
    const served = (await metrics.render()).split('\n').map(line => /^\w+/.exec(line)?.[0]);
    expect(new Set(used).size).toBe(3);
    const alerts = [...JSON.stringify(rules).matchAll(/"alert":"(\w+)"/g)].map(([, name = '']) => name);
    const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    expect(alerts.filter(name => !page.includes(`\`${name}\``))).toEqual([]);
    expect(served).toEqual(expect.arrayContaining(used));
  });

  test('lets the controller read secrets in the named namespaces only', async () => {
    const objects = await renderObjects(everything);
    const roles = objects.filter(
      object => object.kind === 'Role' && object.metadata.name.endsWith('-secrets'),
    );
    expect(roles.map(role => role.metadata.namespace)).toEqual(['storage', 'tenants']);
    expect(grantsOf(objects, 'ClusterRole').filter(grant => grant.endsWith(' secrets'))).toEqual([]);

    const open = await renderObjects([...everything, '--set', 'rbac.secretsInAllNamespaces=true']);
    expect(grantsOf(open, 'ClusterRole').filter(grant => grant.endsWith(' secrets'))).toEqual([
      'get secrets',
    ]);
    expect(open.filter(object => object.metadata.name.endsWith('-secrets'))).toEqual([]);
  });

  test('allows no more than the sidecars that are on use', async () => {
    const grants = grantsOf(await renderObjects(['--set', 'rbd.attachRequired=false']), 'ClusterRole');
    const resources = new Set(grants.map(grant => grant.split(' ')[1]));
    for (const unused of ['nodes', 'pods', 'csinodes', 'volumeattachments'])
      expect(resources).not.toContain(unused);
    expect(grants.some(grant => grant.includes('*'))).toBe(false);
  });

  test('names the Secrets of a StorageClass for each call that needs one', async () => {
    const objects = await renderObjects(everything);
    const cephfs = objects.find(
      object => object.kind === 'StorageClass' && object.metadata.name === 'cephfs',
    );
    const namespaces = Object.entries(cephfs?.parameters ?? {}).filter(([key]) => key.endsWith('-namespace'));
    expect(Object.fromEntries(namespaces)).toEqual({
      'csi.storage.k8s.io/provisioner-secret-namespace': 'storage',
      'csi.storage.k8s.io/controller-expand-secret-namespace': 'storage',
      'csi.storage.k8s.io/controller-modify-secret-namespace': 'storage',
      'csi.storage.k8s.io/node-stage-secret-namespace': 'nodes',
      'csi.storage.k8s.io/node-expand-secret-namespace': 'nodes',
    });
    expect(cephfs?.provisioner).toBe('cephfs.csi-driver-ceph.io');
  });

  test('does not restart the pods of nodes for a new chart of the same image', async () => {
    const manifests = await renderChart();
    const template = manifests.slice(manifests.indexOf('kind: DaemonSet')).split('  template:')[1] ?? '';
    expect(template.split('---')[0]).not.toContain('helm.sh/chart');
  });

  test.each([
    ['a misspelt key', 'rbd.enabeld=false', "'/rbd': additional properties 'enabeld' not allowed"],
    ['a bad choice', 'rbd.mapper=iscsi', "'/rbd/mapper': value must be one of"],
    ['a cluster without monitors', 'clusters[0].clusterID=a', "missing property 'monitors'"],
    ['no driver', 'rbd.enabled=false,cephfs.enabled=false', 'enable at least one of them'],
    ['one name for two drivers', 'rbd.driverName=a,cephfs.driverName=a', 'they have to differ'],
    [
      'capacity without credentials',
      'rbd.storageCapacity=true',
      'rbd.storageCapacity needs driverCredentials',
    ],
    [
      'two sources of clusters',
      'existingClustersConfigMap=a,clusters[0].clusterID=a,clusters[0].monitors[0]=b',
      'leave one of them empty',
    ],
    [
      'a class of a driver that is off',
      'cephfs.enabled=false,volumeAttributesClasses[0].name=a,volumeAttributesClasses[0].driver=cephfs,volumeAttributesClasses[0].parameters.a=b',
      '"a" is of the driver cephfs, which is not enabled',
    ],
    [
      'credentials of an unknown cluster',
      'clusters[0].clusterID=a,clusters[0].monitors[0]=b,driverCredentials[0].clusterID=c,driverCredentials[0].secretName=d',
      'clusterID "c" is none of clusters (a)',
    ],
    [
      'group snapshots without their switch',
      'volumeGroupSnapshotClasses[0].name=a,volumeGroupSnapshotClasses[0].driver=rbd,volumeGroupSnapshotClasses[0].clusterID=b,volumeGroupSnapshotClasses[0].secret.name=c',
      'volumeGroupSnapshotClasses need sidecars.snapshotter.groupSnapshots',
    ],
    [
      'snapshot metadata without a certificate',
      'sidecars.snapshotMetadata.enabled=true',
      'sidecars.snapshotMetadata.tlsSecretName and sidecars.snapshotMetadata.caCert',
    ],
    ['a socket with too long a path', `kubeletDir=/${'k'.repeat(70)}`, "a socket's path has at most 107"],
  ])('refuses %s', async (_, setting, message) => {
    await expect(renderChart(['--set', setting])).rejects.toThrow(message);
  });

  test('tells after the installation what is missing and what comes next', async () => {
    const notes = await renderNotes();
    expect(notes).toContain('THE SNAPSHOT CRDS ARE MISSING');
    expect(notes).toContain('NO CEPH CLUSTER IS CONFIGURED YET');
    expect(notes).toContain('kubectl -n storage rollout status deployment/ceph-csi-driver-ceph-controller');
    const complete = await renderNotes([...everything, '--api-versions', 'snapshot.storage.k8s.io/v1']);
    expect(complete).not.toMatch(/NO CEPH CLUSTER|CRDS ARE MISSING|USERSPACE DAEMONS/);
    expect(complete).toContain('storageClassName: ceph-rbd');
    expect(await renderNotes(['--set', 'cephfs.mounter=fuse'])).toContain(
      'node.updateStrategy.type=OnDelete',
    );
  });
});
