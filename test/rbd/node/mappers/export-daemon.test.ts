import { describe, expect, it } from 'vitest';
import {
  exportFiles,
  startDaemon,
  writeConfiguration,
} from '../../../../src/rbd/node/mappers/export-daemon.ts';
import { createFakeExec } from '../../../exec/fake-exec.ts';
import { hostOf, mapRequest } from './fake-system.ts';

const files = exportFiles('/state, of all/fuse/0123');

describe('the export daemon', () => {
  it('opens the one image without a cache, and gets its key by a descriptor', async () => {
    const node = {
      ...{ driver: 'rbd', 'node-name': 'image', pool: 'rbd', image: 'csi-vol-a' },
      ...{ conf: '/state, of all/fuse/0123/ceph.conf', user: 'csi-node', 'key-secret': 'key' },
      ...{ 'read-only': false, discard: 'unmap', cache: { direct: true } },
    };
    const fake = createFakeExec([
      {
        argv: [
          ...['qemu-storage-daemon', '--daemonize', '--object', 'secret,id=key,format=base64,file=***'],
          ...['--blockdev', JSON.stringify(node), '--export'],
          'type=fuse,id=export,node-name=image,mountpoint=/state,, of all/fuse/0123/image,writable=on,allow-other=off',
          '--chardev',
          'socket,id=qmp,path=/state,, of all/fuse/0123/qmp,server=on,wait=off',
          ...['--monitor', 'chardev=qmp'],
        ],
      },
    ]);
    await startDaemon(mapRequest(), files, hostOf(fake.exec));
    fake.expectAllUsed();
  });

  it('exports read-only from a namespace', async () => {
    const fake = createFakeExec([
      {
        argv: [
          ...['qemu-storage-daemon', '--daemonize', '--object', /./, '--blockdev'],
          /"namespace":"tenant".*"read-only":true/,
          ...['--export', /writable=off/, '--chardev', /./, '--monitor', /./],
        ],
      },
    ]);
    const request = mapRequest({ namespace: 'tenant', readOnly: true });
    await startDaemon(request, files, hostOf(fake.exec));
  });

  it('reads no configuration but its own', () => {
    const text = writeConfiguration(mapRequest({ options: ['rbd_op_threads=2'] }));
    expect(text).toContain('mon host = 10.0.0.1:6789\n');
    expect(text).toContain('keyring = /dev/null\n');
    expect(text).toContain('rbd_op_threads = 2\n');
    expect(text).not.toContain('c2VjcmV0');
  });

  it('refuses an option that is no setting', () => {
    expect(() => writeConfiguration(mapRequest({ options: ['rxbounce'] }))).toThrow(/"fuse:rxbounce"/);
  });
});
