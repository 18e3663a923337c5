import { vi } from 'vitest';
import { createControllerService } from '../../src/controller/service.ts';
import { createLocks } from '../../src/grpc/locks.ts';
import type { ControllerService } from '../../src/grpc/service.ts';
import type { ControllerBackend } from '../../src/model/controller-backend.ts';
import { GIB } from '../../src/model/bytes.ts';
import type { Snapshot, Volume, VolumeSpec } from '../../src/model/volume.ts';

export const VOLUME: Volume = {
  volumeId: 'rbd1/c/p/vol',
  capacityBytes: 3n * GIB,
  context: { pool: 'p' },
};

export const SNAPSHOT: Snapshot = {
  snapshotId: 'rbds1/c/p/abc/4',
  sourceVolumeId: VOLUME.volumeId,
  sizeBytes: 2n ** 53n + 1n,
  createdAt: new Date('2024-02-03T04:05:06.789Z'),
  readyToUse: true,
};

/** A backend with the required methods only, which succeeds at everything. */
export function createSmallBackend() {
  return {
    chooseVolumeId: (spec: VolumeSpec) => `id-of-${spec.name}`,
    createVolume: vi.fn((spec: VolumeSpec) =>
      Promise.resolve(spec.source === undefined ? VOLUME : { ...VOLUME, source: spec.source }),
    ),
    deleteVolume: vi.fn(() => Promise.resolve()),
    validateVolume: vi.fn(() => Promise.resolve(undefined)),
    expandVolume: vi.fn(() => Promise.resolve({ capacityBytes: 5n * GIB, nodeExpansionRequired: true })),
  } satisfies ControllerBackend;
}

/** A backend with all methods, which succeeds at everything. */
export function createFullBackend(): Required<ControllerBackend> {
  return {
    ...createSmallBackend(),
    getVolume: vi.fn(() => Promise.resolve({ volume: VOLUME })),
    listVolumes: vi.fn(() => Promise.resolve({ entries: [{ volume: VOLUME }], nextToken: 'more' })),
    getCapacity: vi.fn(() => Promise.resolve({ availableBytes: 7n * GIB, maximumVolumeBytes: 2n * GIB })),
    modifyVolume: vi.fn(() => Promise.resolve()),
    createSnapshot: vi.fn(() => Promise.resolve(SNAPSHOT)),
    deleteSnapshot: vi.fn(() => Promise.resolve()),
    getSnapshot: vi.fn(() => Promise.resolve(SNAPSHOT)),
    listSnapshots: vi.fn(() => Promise.resolve({ entries: [SNAPSHOT] })),
  };
}

export function createService(backend: ControllerBackend): ControllerService {
  return createControllerService({ backend, locks: createLocks() });
}
