import type {
  NodeServiceCapability,
  _csi_v1_NodeServiceCapability_RPC_Type as CapabilityName,
} from '../gen/csi/v1/NodeServiceCapability.ts';
import type { NodeGetInfoResponse } from '../gen/csi/v1/NodeGetInfoResponse.ts';
import type { NodePublishVolumeRequest__Output } from '../gen/csi/v1/NodePublishVolumeRequest.ts';
import { formatMap } from '../grpc/fields.ts';
import type { Locks } from '../grpc/locks.ts';
import type { Call, NodeService } from '../grpc/service.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import type { NodeBackend } from '../model/node-backend.ts';
import type { Topology } from '../model/volume.ts';
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
  /** Asks for the segments of the node's topology; absent: the volumes are reachable from everywhere. */
  readonly readTopology?: (context: Context) => Promise<Topology>;
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

/**
 * Stages a volume anew that has died, where the publication brings the key that it takes. Other publications of it,
 * on this node, show the dead one until they are made anew.
 */
async function reviveVolume(
  request: NodePublishVolumeRequest__Output,
  publication: PublishRequest,
  { backend, locks }: NodeDependencies,
  call: Call,
): Promise<void> {
  if ((await backend.isDead?.(publication, call)) !== true) return;
  const { volumeId, stagingPath } = publication;
  if (Object.keys(publication.secrets).length === 0) {
    throw new DriverError(
      'failed-precondition',
      `staging_target_path: ${stagingPath}: the client behind volume ${volumeId} is dead, and this call brings no ` +
        'secrets to stage it anew; end all Pods of this node that use it, or name a node-publish-secret in the class',
    );
  }
  // The Pods of a node that begin together wait for one revival: their requests differ in the target alone.
  const shared = { ...request, target_path: '', readonly: false };
  const claim = { keys: [volumeKey(volumeId)], operation: `${call.method}, staging anew`, request: shared };
  await locks.run(claim, call, context => backend.stageVolume(publication, context));
}

function createPublishing(
  dependencies: NodeDependencies,
): Pick<NodeService, 'NodePublishVolume' | 'NodeUnpublishVolume'> {
  const { exec, locks } = dependencies;
  return {
    async NodePublishVolume(request, call) {
      const publication = await parsePublish(request);
      await reviveVolume(request, publication, dependencies, call);
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

async function describeNode(
  { nodeId, maxVolumesPerNode = 0, readTopology }: NodeDependencies,
  context: Context,
): Promise<NodeGetInfoResponse> {
  const node = { node_id: nodeId, max_volumes_per_node: maxVolumesPerNode };
  if (readTopology === undefined) return node;
  return { ...node, accessible_topology: { segments: formatMap(await readTopology(context)) } };
}

/**
 * The CSI Node service of any backend. Staging is the backend's; publishing, unpublishing and statistics are the
 * same for all and done here, from what mountinfo says at that moment.
 */
export function createNodeService(dependencies: NodeDependencies): NodeService {
  const capabilities = listCapabilities(dependencies.backend);
  return {
    ...createStaging(dependencies),
    ...createPublishing(dependencies),
    ...createUpkeep(dependencies),
    NodeGetCapabilities: () => Promise.resolve({ capabilities }),
    NodeGetInfo: (_request, call) => describeNode(dependencies, call),
  };
}
