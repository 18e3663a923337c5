import { expect, it } from 'vitest';
import { parseDoctorOptions } from '../../src/config/doctor-options.ts';

it('has the defaults of serve, and looks at all that there is', () => {
  expect(parseDoctorOptions([], {})).toEqual({
    looksAtNode: true,
    clustersFile: '/etc/csi-driver-ceph/config.json',
    stateDir: '/var/lib/csi-driver-ceph',
    mapper: 'auto',
    mounter: 'auto',
    pools: [],
    fileSystems: [],
  });
});

it('takes lists, a user, and the environment of serve', () => {
  const argv = ['--pools=a,b', '--file-systems', 'fs', '--user=csi', '--key-file=/key', '--role=controller'];
  expect(parseDoctorOptions(argv, { CSI_DRIVER_CEPH_CREDENTIALS_DIR: '/credentials' })).toMatchObject({
    looksAtNode: false,
    credentialsDir: '/credentials',
    pools: ['a', 'b'],
    fileSystems: ['fs'],
    user: { userId: 'csi', keyFile: '/key' },
  });
});

it.each([
  [['--user', 'csi'], /--user and --key-file: give both, or none/],
  [['--mapper', 'iscsi'], /--mapper: "iscsi" is not one of auto, krbd, nbd, fuse/],
  [['--rbd-endpoint', 'unix:///a'], /--rbd-endpoint/],
])('refuses %j', (argv, message) => {
  expect(() => parseDoctorOptions(argv, {})).toThrow(message);
});
