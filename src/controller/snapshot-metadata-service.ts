import type { GetMetadataAllocatedResponse } from '../gen/csi/v1/GetMetadataAllocatedResponse.ts';
import type { SnapshotMetadataService } from '../grpc/service.ts';
import type {
  BlockRange,
  SnapshotBlocks,
  SnapshotMetadataBackend,
} from '../model/snapshot-metadata-backend.ts';
import {
  parseAllocatedRequest,
  parseDeltaRequest,
  parseMaximumResults,
} from './snapshot-metadata-requests.ts';

/** Ranges in a message: some 80 KiB, where gRPC's clients take 4 MiB. */
const MOST_RESULTS = 4096;

/** Both answers have the same fields. */
type MetadataResponse = GetMetadataAllocatedResponse;

/** Puts what comes in pieces of any size into pieces of `size`, the last one shorter, or empty when it is the only one. */
async function* regroup(
  pieces: AsyncIterable<readonly BlockRange[]>,
  size: number,
): AsyncGenerator<readonly BlockRange[], void, undefined> {
  let group: BlockRange[] = [];
  let isEmpty = true;
  for await (const piece of pieces) {
    for (const range of piece) {
      group.push(range);
      if (group.length < size) continue;
      yield group;
      isEmpty = false;
      group = [];
    }
  }
  if (isEmpty || group.length > 0) yield group;
}

/** At least one message, since a client learns the volume's size from it. */
async function* streamBlocks(
  { volumeCapacityBytes, ranges }: SnapshotBlocks,
  maximumResults: number,
): AsyncGenerator<MetadataResponse, void, undefined> {
  for await (const group of regroup(ranges, maximumResults)) {
    yield {
      block_metadata_type: 'VARIABLE_LENGTH',
      volume_capacity_bytes: String(volumeCapacityBytes),
      block_metadata: group.map(({ offset, length }) => ({
        byte_offset: String(offset),
        size_bytes: String(length),
      })),
    };
  }
}

/**
 * The CSI SnapshotMetadata service of any backend: which blocks of a snapshot hold data, and which changed between
 * two. No more of a stream is in memory than a message or two; an interrupted one is taken up by its starting offset.
 */
export function createSnapshotMetadataService(backend: SnapshotMetadataBackend): SnapshotMetadataService {
  return {
    async *GetMetadataAllocated(wire, call) {
      const request = parseAllocatedRequest(wire);
      const maximumResults = parseMaximumResults(wire.max_results, MOST_RESULTS);
      yield* streamBlocks(await backend.listAllocated(request, call), maximumResults);
    },

    async *GetMetadataDelta(wire, call) {
      const request = parseDeltaRequest(wire);
      const maximumResults = parseMaximumResults(wire.max_results, MOST_RESULTS);
      yield* streamBlocks(await backend.listChanged(request, call), maximumResults);
    },
  };
}
