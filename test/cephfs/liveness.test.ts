import { expect, it } from 'vitest';
import { probeMount } from '../../src/cephfs/liveness.ts';
import { parseMounts } from '../../src/mount/mountinfo.ts';
import { createFakeExec, createTestContext } from '../exec/fake-exec.ts';

const KERNEL = '90 1 0:50 / /stage rw - ceph 10.0.0.1:6789:/volumes/csi/a rw';
const FUSE = '90 1 0:50 / /stage rw - fuse.ceph-fuse ceph-fuse rw';

it.each([
  ['the kernel’s client', KERNEL, '--cached=never', '', 'alive'],
  ['the kernel’s client, shut out', KERNEL, '--cached=never', 'Permission denied', 'dead'],
  ['ceph-fuse', FUSE, '--file-system', '', 'alive'],
  ['ceph-fuse that died', FUSE, '--file-system', 'Transport endpoint is not connected', 'dead'],
  ['a directory that nobody may read', FUSE, '--file-system', 'Permission denied', 'alive'],
])('how a mount answers: %s', async (_, line, option, said, liveness) => {
  const [mount] = parseMounts(line);
  if (mount === undefined) return expect.unreachable();
  const stderr = said === '' ? '' : `stat: cannot statx '/stage': ${said}`;
  const fake = createFakeExec([{ argv: ['stat', option, '/stage'], exitCode: said === '' ? 0 : 1, stderr }]);
  expect(await probeMount(mount, { exec: fake.exec, context: createTestContext() })).toBe(liveness);
  fake.expectAllUsed();
});
