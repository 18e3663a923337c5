import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CSI_USERS, VIEW_READER, type Capabilities } from '../../dev/ceph/users.ts';

const page = readFileSync(new URL('../../docs/users.md', import.meta.url), 'utf8');

/** The command that makes a user, with the page's names of the pools. */
function formatCommand(userId: string, capabilities: Capabilities): string {
  const grants = Object.entries(capabilities).map(([service, grant]) => `  ${service} '${grant}'`);
  return [`ceph auth get-or-create client.${userId}`, ...grants]
    .join(' \\\n')
    .replaceAll('pool=rbd-ec', 'pool=kubernetes-data')
    .replaceAll(/pool=rbd\b/g, 'pool=kubernetes');
}

test.each([...Object.values(CSI_USERS), VIEW_READER])(
  'docs/users.md gives $userId the capabilities that the real-Ceph tests run with',
  ({ userId, capabilities }) => {
    expect(page).toContain(formatCommand(userId, capabilities));
  },
);
