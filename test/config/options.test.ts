import { describe, expect, it } from 'vitest';
import { OPTIONS } from '../../src/config/option-table.ts';
import { parseServeOptions } from '../../src/config/options.ts';
import { describeOptions, environmentVariableOf } from '../../src/config/settings.ts';

const endpoint = ['--rbd-endpoint', 'unix:///csi/csi.sock'];

describe('the settings of serve', () => {
  it('have defaults', () => {
    expect(parseServeOptions([...endpoint, '--node-id', 'n1'], {})).toEqual({
      servesController: true,
      servesNode: true,
      rbdEndpoint: 'unix:///csi/csi.sock',
      rbdDriverName: 'rbd.csi-driver-ceph.io',
      cephfsDriverName: 'cephfs.csi-driver-ceph.io',
      clustersFile: '/etc/csi-driver-ceph/config.json',
      nodeId: 'n1',
      stateDir: '/var/lib/csi-driver-ceph',
      cephTransport: 'auto',
      mapper: 'auto',
      mounter: 'auto',
      readAffinity: false,
      domainLabels: [],
      rbdLimits: { comfortableDepth: 4, mostDepth: 12, comfortableSnapshots: 200, mostSnapshots: 450 },
      drainTimeout: 25_000,
      logLevel: 'info',
    });
  });

  it('come from flags first, then from the environment', () => {
    const env = {
      CSI_DRIVER_CEPH_CEPHFS_ENDPOINT: 'tcp://127.0.0.1:9000',
      CSI_DRIVER_CEPH_ROLE: 'controller',
      CSI_DRIVER_CEPH_LOG_LEVEL: 'debug',
    };
    const labels = '--domain-labels=topology.kubernetes.io/region, topology.kubernetes.io/zone';
    const options = parseServeOptions(['--role=node', labels], env);
    expect(options).toMatchObject({
      domainLabels: ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'],
      cephfsEndpoint: 'tcp://127.0.0.1:9000',
      servesController: false,
      servesNode: true,
      logLevel: 'debug',
    });
    expect(options.rbdEndpoint).toBeUndefined();
  });

  it.each([
    [':9090', { host: '', port: 9090 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:9090', { host: '::1', port: 9090 }],
  ])('take %s as an address to listen on', (address, expected) => {
    const options = parseServeOptions([...endpoint, '--metrics-address', address], {});
    expect(options.metricsAddress).toEqual(expected);
  });

  it.each([
    [[], /give --rbd-endpoint, --cephfs-endpoint, or both/],
    [['--rbd-endpoint', '/csi.sock'], /--rbd-endpoint: "\/csi.sock" is neither unix:\/\/\/path nor/],
    [[...endpoint, '--cephfs-endpoint', 'unix:///csi/csi.sock'], /have to differ/],
    [[...endpoint, '--domain-labels', 'a/zone,b c'], /--domain-labels: "b c" is not the name of a label/],
    [[...endpoint, '--domain-labels', 'a/zone,b/zone'], /"b\/zone" .* another one ends alike/],
    [[...endpoint, '--rbd-soft-max-snapshots', '0'], /"0" is not a whole number from 1/],
    [
      [...endpoint, '--rbd-soft-max-clone-depth', '13'],
      /--rbd-soft-max-clone-depth: "13" is more than --rbd-hard-max-clone-depth "12"/,
    ],
    [[...endpoint, '--role', 'both'], /--role: "both" is not one of controller, node, all/],
    [[...endpoint, '--rbd-driver-name', 'a_b'], /--rbd-driver-name: "a_b" is not a driver name/],
    [[...endpoint, '--drain-timeout', 'long'], /--drain-timeout: "long" is not a duration/],
    [[...endpoint, '--metrics-address', '9090'], /--metrics-address: "9090" is not HOST:PORT/],
    [[...endpoint, '--metrics-address', ':99999'], /with a port of at most 65535/],
    [[...endpoint, '--unknown', '1'], /--unknown/],
    [[...endpoint, 'stray'], /stray/],
  ])('%j is refused', (argv, message) => {
    expect(() => parseServeOptions(argv, {})).toThrow(message);
  });

  it('are all in the help, each as flag and variable', () => {
    const help = describeOptions(OPTIONS);
    for (const option of Object.values(OPTIONS)) {
      expect(help).toContain(`--${option.flag} `);
      expect(help).toContain(`$${environmentVariableOf(option)}`);
    }
  });
});
