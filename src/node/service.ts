import type {
  NodeServiceCapability,
  _csi_v1_NodeServiceCapability_RPC_Type as CapabilityName,
} from '../gen/csi/v1/NodeServiceCapability.ts';
import type { NodeGetInfoResponse } from '../gen/csi/v1/NodeGetInfoResponse.ts';
import type { Locks } from '../grpc/locks.ts';
import type { Call, NodeService } from '../grpc/service.ts';
import { DriverError } from '../model/errors.ts';
import type { NodeBackend } from '../model/node-backend.ts';
import type { Host } from '../mount/host.ts';
import { createStatisticsReader } from '../mount/statistics.ts';
import { findPublication, publishVolume, unpublishVolume } from './publication.ts';
import {
  parseExpand,
  parsePublish,
  parseStage,
  parseStatistics,
  parseUnpublish,
  parseUnstage,
  type PublishRequest,
} from './requests.ts';
import { findFault, formatStatistics } from './responses.ts';

export interface NodeDependencies {
  readonly backend: NodeBackend;
  readonly nodeId: string;
  /** Absent: as many as the node can hold. */
  readonly maxVolumesPerNode?: number;
  /** The segments of the node's topology; absent: the volumes are reachable from everywhere. */
  readonly topology?: Readonly<Record<string, string>>;
  readonly exec: Host['exec'];
  /** Of this driver alone: two drivers may use the same keys. */
  readonly locks: Locks;
}

const volumeKey = (volumeId: string) => `volume:${volumeId}`;
const targetKey = (path: string) => `target:${path}`;

/**
 * Pods that share a volume are published to side by side. A single writer's volume is locked as a whole, since its
 * second publication must see the first.
 */
function publishKeys({ capability, targetPath, volumeId }: PublishRequest): readonly string[] {
  const isSingle = capability.mode === 'single-node-single-writer';
  return isSingle ? [targetKey(targetPath), volumeKey(volumeId)] : [targetKey(targetPath)];
}

function createStaging({
  backend,
  locks,
}: NodeDependencies): Pick<NodeService, 'NodeStageVolume' | 'NodeUnstageVolume'> {
  return {
    async NodeStageVolume(request, call) {
      const staging = await parseStage(request);
      const claim = { keys: [volumeKey(staging.volumeId)], operation: call.method, request };
      await locks.run(claim, call, context => backend.stageVolume(staging, context));
      return {};
    },

    async NodeUnstageVolume(request, call) {
      const staging = await parseUnstage(request);
      const claim = { keys: [volumeKey(staging.volumeId)], operation: call.method, request };
      await locks.run(claim, call, context => backend.unstageVolume(staging, context));
      return {};
    },
  };
}

function createPublishing({
  exec,
  locks,
}: NodeDependencies): Pick<NodeService, 'NodePublishVolume' | 'NodeUnpublishVolume'> {
  return {
    async NodePublishVolume(request, call) {
      const publication = await parsePublish(request);
      const claim = { keys: publishKeys(publication), operation: call.method, request };
      await locks.run(claim, call, context => publishVolume(publication, { exec, context }));
      return {};
    },

    async NodeUnpublishVolume(request, call) {
      const publication = await parseUnpublish(request);
      const claim = { keys: [targetKey(publication.targetPath)], operation: call.method, request };
      await locks.run(claim, call, context => unpublishVolume(publication, { exec, context }));
      return {};
    },
  };
}

function createUpkeep({
  backend,
  exec,
  locks,
}: NodeDependencies): Pick<NodeService, 'NodeGetVolumeStats' | 'NodeExpandVolume'> {
  const readStatistics = createStatisticsReader({ exec });
  const hostOf = (context: Call): Host => ({ exec, context });
  return {
    async NodeGetVolumeStats(request, call) {
      const query = await parseStatistics(request);
      const path = await findPublication(query, hostOf(call));
      const statistics = await readStatistics({ path }, call);
      const staged = { volumeId: query.volumeId, stagingPath: query.stagingPath ?? query.volumePath };
      const condition = findFault(statistics) ?? (await backend.checkVolume?.(staged, call));
      return formatStatistics(statistics, condition);
    },

    async NodeExpandVolume(request, call) {
      const expansion = await parseExpand(request);
      const expand = backend.expandVolume?.bind(backend);
      if (expand === undefined) {
        throw new DriverError(
          'unimplemented',
          'this driver needs no NodeExpandVolume after a volume has grown',
        );
      }
      await findPublication(expansion, hostOf(call));
      const claim = { keys: [volumeKey(expansion.volumeId)], operation: call.method, request };
      const bytes = await locks.run(claim, call, context => expand(expansion, context));
      return { capacity_bytes: String(bytes) };
    },
  };
}

function listCapabilities(backend: NodeBackend): NodeServiceCapability[] {
  const names: CapabilityName[] = [
    'STAGE_UNSTAGE_VOLUME',
    'GET_VOLUME_STATS',
    'VOLUME_CONDITION',
    'SINGLE_NODE_MULTI_WRITER',
  ];
  if (backend.expandVolume !== undefined) names.push('EXPAND_VOLUME');
  return names.map(type => ({ rpc: { type } }));
}

function describeNode({ nodeId, maxVolumesPerNode, topology }: NodeDependencies): NodeGetInfoResponse {
  return {
    node_id: nodeId,
    max_volumes_per_node: maxVolumesPerNode ?? 0,
    ...(topology === undefined ? {} : { accessible_topology: { segments: { ...topology } } }),
  };
}

/**
 * The CSI Node service of any backend. Staging is the backend's; publishing, unpublishing and statistics are the
 * same for all and done here, from what mountinfo says at that moment.
 */
export function createNodeService(dependencies: NodeDependencies): NodeService {
  const capabilities = listCapabilities(dependencies.backend);
  const information = describeNode(dependencies);
  return {
    ...createStaging(dependencies),
    ...createPublishing(dependencies),
    ...createUpkeep(dependencies),
    NodeGetCapabilities: () => Promise.resolve({ capabilities }),
    NodeGetInfo: () => Promise.resolve(information),
  };
}
