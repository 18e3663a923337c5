import { status } from '@grpc/grpc-js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSnapshotMetadataService } from '../../src/controller/snapshot-metadata-service.ts';
import { createClient, type CsiClient } from '../../src/grpc/client.ts';
import { csi } from '../../src/grpc/contract.ts';
import { createServer, type Server } from '../../src/grpc/server.ts';
import { createIdentityService } from '../../src/identity/service.ts';
import { Secret } from '../../src/model/secret.ts';
import type { BlockRange, SnapshotBlocks } from '../../src/model/snapshot-metadata-backend.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const { SnapshotMetadata } = csi;
const CAPACITY = 2n ** 53n + 1n;

let directory: string;
let server: Server;
let client: CsiClient;
/** What the backend gives, and whether its reader has let go of it. */
let pieces: readonly (readonly BlockRange[])[];
let isLeft: boolean;

async function* givePieces() {
  try {
    yield* await Promise.resolve(pieces);
  } finally {
    isLeft = true;
  }
}

const answer = () => Promise.resolve<SnapshotBlocks>({ volumeCapacityBytes: CAPACITY, ranges: givePieces() });
const backend = { listAllocated: vi.fn(answer), listChanged: vi.fn(answer) };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-test-'));
  pieces = [];
  isLeft = false;
  const Identity = createIdentityService({
    name: 'test',
    version: '1',
    capabilities: { listServices: () => Promise.resolve([]), onlineExpansion: false },
    isReady: () => Promise.resolve(true),
  });
  server = createServer(
    { Identity, SnapshotMetadata: createSnapshotMetadataService(backend) },
    { endpoint: `unix://${join(directory, 'csi.sock')}`, log: createTestContext().log },
  );
  client = createClient(await server.listen());
});

afterEach(async () => {
  client.close();
  await server.drain(0);
  await rm(directory, { recursive: true });
});

const range = (offset: bigint): BlockRange => ({ offset, length: 5n });
const block = (offset: string) => ({ byte_offset: offset, size_bytes: '5' });

async function readAll<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

describe('the messages of a stream', () => {
  it('hold as many blocks as the client takes, however they come', async () => {
    pieces = [[range(0n)], [], [range(10n), range(20n), range(30n), range(2n ** 53n - 5n)]];
    const request = { snapshot_id: 's', max_results: 2 };
    const messages = await readAll(client.stream(SnapshotMetadata.GetMetadataAllocated, request));
    const common = { block_metadata_type: 'VARIABLE_LENGTH', volume_capacity_bytes: '9007199254740993' };
    expect(messages).toEqual([
      { ...common, block_metadata: [block('0'), block('10')] },
      { ...common, block_metadata: [block('20'), block('30')] },
      { ...common, block_metadata: [block('9007199254740987')] },
    ]);
  });

  it('are small enough for gRPC when the client names no bound, or a high one', async () => {
    pieces = [Array.from({ length: 10_000 }, (_, index) => range(BigInt(index) * 10n))];
    for (const max_results of [0, 1_000_000]) {
      const messages = await readAll(
        client.stream(SnapshotMetadata.GetMetadataAllocated, { snapshot_id: 's', max_results }),
      );
      expect(messages.map(message => message.block_metadata.length)).toEqual([4096, 4096, 1808]);
    }
  });

  it('are one that tells the size when there are no blocks', async () => {
    const request = { base_snapshot_id: 'a', target_snapshot_id: 'b' };
    const messages = await readAll(client.stream(SnapshotMetadata.GetMetadataDelta, request));
    expect(messages).toMatchObject([{ volume_capacity_bytes: '9007199254740993', block_metadata: [] }]);
  });
});

it('hands the request on to the backend', async () => {
  const offset = { starting_offset: '9007199254740993', secrets: { userKey: 'k' } };
  await readAll(client.stream(SnapshotMetadata.GetMetadataAllocated, { snapshot_id: 's', ...offset }));
  const pair = { base_snapshot_id: 'a', target_snapshot_id: 'b' };
  await readAll(client.stream(SnapshotMetadata.GetMetadataDelta, { ...pair, ...offset }));
  const common = { startingOffset: CAPACITY, secrets: { userKey: new Secret('k') } };
  expect(backend.listAllocated).toHaveBeenLastCalledWith({ snapshotId: 's', ...common }, expect.anything());
  expect(backend.listChanged).toHaveBeenLastCalledWith(
    { baseSnapshotId: 'a', targetSnapshotId: 'b', ...common },
    expect.anything(),
  );
});

it.each([
  [{}, status.INVALID_ARGUMENT, 'base_snapshot_id: is empty'],
  [{ base_snapshot_id: 'a' }, status.INVALID_ARGUMENT, 'target_snapshot_id: is empty'],
  [
    { base_snapshot_id: 'a', target_snapshot_id: 'b', max_results: -1 },
    status.INVALID_ARGUMENT,
    'max_results',
  ],
  [
    { base_snapshot_id: 'a', target_snapshot_id: 'b', starting_offset: -1 },
    status.OUT_OF_RANGE,
    'starting_offset',
  ],
])('refuses %j', async (request, code, details) => {
  await expect(readAll(client.stream(SnapshotMetadata.GetMetadataDelta, request))).rejects.toMatchObject({
    code,
    details: expect.stringContaining(details) as string,
  });
});

it(
  'a client that leaves ends what is read for it, and the server can stop',
  { timeout: 60_000 },
  async () => {
    pieces = Array.from({ length: 100_000 }, (_, index) => [range(BigInt(index) * 10n)]);
    const request = { snapshot_id: 's', max_results: 1 };
    for await (const message of client.stream(SnapshotMetadata.GetMetadataAllocated, request)) {
      expect(message.block_metadata).toEqual([block('0')]);
      break;
    }
    await vi.waitFor(() => expect(isLeft).toBe(true), 30_000);
  },
);
