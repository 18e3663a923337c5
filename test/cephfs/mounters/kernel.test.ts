import { expect, it } from 'vitest';
import { createKernelMounter, kernelMonitors } from '../../../src/cephfs/mounters/kernel.ts';
import { selectMounter } from '../../../src/cephfs/mounters/selection.ts';
import { Secret } from '../../../src/model/secret.ts';
import { createFakeExec, createTestContext } from '../../exec/fake-exec.ts';

const both = '[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]';

it.each([
  [['10.0.0.1:6789', 'mon.example'], [], '10.0.0.1:6789,mon.example'],
  [[both, '10.0.0.2:6789'], [], '10.0.0.1:6789,10.0.0.2:6789'],
  [[both], ['ms_mode=secure'], '10.0.0.1:3300'],
  [[both], ['ms_mode=legacy'], '10.0.0.1:6789'],
  [['[v2:[fd00::1]:3300,v1:[fd00::1]:6789]'], [], '[fd00::1]:6789'],
  [['[fd00::1]:6789'], [], '[fd00::1]:6789'],
  [['v1:10.0.0.1:6789'], [], '10.0.0.1:6789'],
])('takes of %j with %j the addresses %s', (monitors, options, expected) => {
  expect(kernelMonitors(monitors, options)).toBe(expected);
});

it('hands the key over by descriptor', async () => {
  const fake = createFakeExec([
    {
      argv: [
        'mount',
        '--no-canonicalize',
        ...['--types', 'ceph'],
        ...['--options', 'name=node,mds_namespace=fs,noatime'],
        ...['--options', 'secretfile=***'],
        ...['10.0.0.1:6789:/volumes/a', '/staging'],
      ],
    },
  ]);
  await createKernelMounter(fake.exec).mount(
    {
      volumeId: 'v',
      path: '/volumes/a',
      connection: { monitors: ['10.0.0.1:6789'], userId: 'node', key: new Secret('key') },
      fsName: 'fs',
      target: '/staging',
      options: ['noatime'],
    },
    { exec: fake.exec, context: createTestContext() },
  );
  fake.expectAllUsed();
});

it('says why the kernel cannot, where nothing else is wanted', async () => {
  const fake = createFakeExec([
    { argv: ['modprobe', 'ceph'], exitCode: 1, stderr: 'FATAL: Module ceph not found' },
  ]);
  const mounter = createKernelMounter(fake.exec, '/dev/null');
  await expect(selectMounter('kernel', [mounter], createTestContext())).rejects.toMatchObject({
    kind: 'failed-precondition',
    message: expect.stringContaining('Module ceph not found') as string,
  });
});
