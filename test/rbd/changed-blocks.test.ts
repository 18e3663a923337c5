import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/config/clusters.ts';
import type { ExecStream } from '../../src/exec/stream.ts';
import { Secret } from '../../src/model/secret.ts';
import type { BlockRange, SnapshotBlocks } from '../../src/model/snapshot-metadata-backend.ts';
import { createRbdChangedBlocks } from '../../src/rbd/changed-blocks.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';

const cluster: Cluster = {
  clusterId: 'main',
  monitors: ['mon-a:6789'],
  rbd: { deletedVolumeRetention: 0 },
  cephfs: { subvolumeGroup: 'csi', kernelMountOptions: '', fuseMountOptions: '' },
  readAffinity: { enabled: false, crushLocationLabels: [] },
};
const secrets = { userID: new Secret('csi'), userKey: new Secret('hidden') };
const context = createTestContext();

const byId = ['--pool', 'rbd', '--namespace', 'team', '--image-id', '10a7'];
const time = 'Tue Nov 24 15:38:45 2026';
const snapshot = (id: number, name: string, type = 'user') =>
  `{"id":${id},"name":"${name}","size":1000,"protected":"false","timestamp":"${time}","namespace":{"type":"${type}"}}`;
/** The image was deleted as a volume since: it has another name. */
const finding: readonly ScriptedCall[] = [
  {
    argv: ['rbd', 'info', ...byId, '--format', 'json'],
    stdout: `{"name":"csi-deleted-10a7-a","id":"10a7","size":2000,"snapshot_count":3,"features":[],"create_timestamp":"${time}"}`,
  },
  {
    argv: ['rbd', 'snap', 'ls', ...byId, '--all', '--format', 'json'],
    stdout: `[${snapshot(4, 'one')},${snapshot(7, 'two')},${snapshot(8, 'gone', 'trash')}]`,
  },
];

interface Diff {
  readonly output?: string;
  readonly exitCode?: number;
  readonly stderr?: string;
}

function start(script: readonly ScriptedCall[], diff: Diff = {}) {
  const fake = createFakeExec(script);
  const diffs: string[] = [];
  const execStream: ExecStream = async function* giveDiff({ program, args }, _context, requireSuccess) {
    const start = args.indexOf('diff');
    diffs.push([program, ...args.slice(start).map(String)].join(' '));
    yield await Promise.resolve(diff.output ?? '[]');
    requireSuccess({ exitCode: diff.exitCode ?? 0, stdout: '', stderr: diff.stderr ?? '' });
  };
  const clusters = { find: () => cluster, list: () => [cluster] };
  const backend = createRbdChangedBlocks({ exec: fake.exec, execStream, clusters });
  return { backend, fake, diffs };
}

const idOf = (number: number, imageId = '10a7') => `rbds1/main/rbd/team/${imageId}/${number}`;

async function collect(blocks: SnapshotBlocks): Promise<BlockRange[]> {
  const all: BlockRange[] = [];
  for await (const ranges of blocks.ranges) all.push(...ranges);
  return all;
}

const output =
  '[{"offset":0,"length":100,"exists":"true"},{"offset":200,"length":100,"exists":"false"},' +
  '{"offset":300,"length":100,"exists":"true"}]\n';

describe('the blocks of a snapshot', () => {
  it('are those that hold data, from the starting offset on', async () => {
    const { backend, fake, diffs } = start(finding, { output });
    const blocks = await backend.listAllocated(
      { snapshotId: idOf(7), startingOffset: 50n, secrets },
      context,
    );
    expect(diffs).toEqual([]);
    expect(blocks.volumeCapacityBytes).toBe(1000n);
    expect(await collect(blocks)).toEqual([
      { offset: 50n, length: 50n },
      { offset: 300n, length: 100n },
    ]);
    expect(diffs).toEqual(['rbd diff rbd/team/csi-deleted-10a7-a@two --format json']);
    fake.expectAllUsed();
  });

  it('are, since an earlier one, also those that hold nothing any more', async () => {
    const { backend, diffs } = start(finding, { output });
    const request = { baseSnapshotId: idOf(4), targetSnapshotId: idOf(7), startingOffset: 100n, secrets };
    expect(await collect(await backend.listChanged(request, context))).toEqual([
      { offset: 200n, length: 100n },
      { offset: 300n, length: 100n },
    ]);
    expect(diffs).toEqual(['rbd diff --from-snap one rbd/team/csi-deleted-10a7-a@two --format json']);
  });

  it('can be asked for again when the image was renamed meanwhile', async () => {
    const { backend } = start(finding, {
      exitCode: 2,
      stderr: 'rbd: error opening image a: (2) No such file',
    });
    const blocks = await backend.listAllocated({ snapshotId: idOf(7), startingOffset: 0n, secrets }, context);
    await expect(collect(blocks)).rejects.toMatchObject({ kind: 'aborted' });
  });
});

describe('what is refused', () => {
  it.each([
    ['a snapshot that is not there', idOf(5), 'not-found'],
    ['a snapshot that was deleted and lives on for its clones', idOf(8), 'not-found'],
    ['an ID that this driver never gave', 'x', 'not-found'],
  ])('%s', async (_title, snapshotId, kind) => {
    const { backend } = start(finding);
    const request = { snapshotId, startingOffset: 0n, secrets };
    await expect(backend.listAllocated(request, context)).rejects.toMatchObject({ kind });
  });

  it('a snapshot of an image that is gone', async () => {
    const { backend } = start(finding.map(call => ({ argv: call.argv, exitCode: 2 })));
    const request = { snapshotId: idOf(7), startingOffset: 0n, secrets };
    await expect(backend.listAllocated(request, context)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it.each([
    ['another volume', idOf(4, '10a8'), idOf(7), 0n, 'invalid-argument'],
    ['later than', idOf(7), idOf(4), 0n, 'invalid-argument'],
    ['starting_offset', idOf(4), idOf(7), 1001n, 'out-of-range'],
    ['base_snapshot_id', idOf(3), idOf(7), 0n, 'not-found'],
  ])('a pair: %s', async (message, baseSnapshotId, targetSnapshotId, startingOffset, kind) => {
    const { backend } = start(finding);
    const request = { baseSnapshotId, targetSnapshotId, startingOffset, secrets };
    await expect(backend.listChanged(request, context)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(message) as string,
    });
  });
});
