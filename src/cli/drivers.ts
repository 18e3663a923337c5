import { createSessionRunner } from '../ceph/ceph-command.ts';
import { createCephfsController } from '../cephfs/controller.ts';
import { createCephfsNode } from '../cephfs/node.ts';
import { topologyOf } from '../config/node-topology.ts';
import type { ServeOptions } from '../config/options.ts';
import { createExecStream } from '../exec/stream.ts';
import { createGroupControllerService } from '../controller/group-service.ts';
import { createControllerService } from '../controller/service.ts';
import { createSnapshotMetadataService } from '../controller/snapshot-metadata-service.ts';
import { createLocks, type Locks } from '../grpc/locks.ts';
import { createServer, type Server } from '../grpc/server.ts';
import type { Services } from '../grpc/service.ts';
import { createIdentityService, type PluginService } from '../identity/service.ts';
import type { Activity, Metrics } from '../metrics/metrics.ts';
import type { Context, Log } from '../model/call.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import type { GroupSnapshotBackend } from '../model/group-snapshot-backend.ts';
import type { NodeBackend } from '../model/node-backend.ts';
import type { SnapshotMetadataBackend } from '../model/snapshot-metadata-backend.ts';
import type { Topology } from '../model/volume.ts';
import { createNodeService } from '../node/service.ts';
import { createRbdChangedBlocks } from '../rbd/changed-blocks.ts';
import { createRbdController } from '../rbd/controller.ts';
import { createRbdNode } from '../rbd/node/backend.ts';
import { createEnvironment, type Environment } from './environment.ts';
import { VERSION } from './version.ts';

/** Work of a driver that no call waits for: purging what was deleted, for example. */
export interface Background {
  start(): void;
  /** Takes up nothing more; resolves when what was begun has ended. */
  drain(): Promise<void>;
}

/** A driver with its own socket. */
export interface Driver {
  readonly name: string;
  readonly server: Server;
  readonly background: readonly Background[];
}

interface Backends {
  readonly controller?: ControllerBackend;
  readonly groupSnapshots?: GroupSnapshotBackend;
  readonly snapshotMetadata?: SnapshotMetadataBackend;
  readonly node?: NodeBackend;
}

interface DriverPlan extends Backends {
  readonly name: string;
  readonly endpoint: string;
  readonly background: readonly Background[];
  /** Not every node reaches every volume. */
  readonly isConstrained?: boolean;
  readonly readTopology?: (context: Context) => Promise<Topology>;
  /** How much of the background work is left. */
  readonly countWork?: () => Pick<Activity, 'purgesPending' | 'flatteningsPending'>;
}

function watchDriver(plan: DriverPlan, locks: Locks, metrics: Metrics | undefined): void {
  metrics?.watchDriver(plan.name, () => {
    const { held, joined, oldestSeconds } = locks.describe();
    return { locksHeld: held, callsJoined: joined, oldestLockSeconds: oldestSeconds, ...plan.countWork?.() };
  });
}

/** What GetPluginCapabilities tells of the plan. */
async function listServices(plan: DriverPlan): Promise<readonly PluginService[]> {
  const { controller, groupSnapshots, snapshotMetadata } = plan;
  const offers: readonly (readonly [PluginService, boolean])[] = [
    ['CONTROLLER_SERVICE', controller !== undefined],
    ['GROUP_CONTROLLER_SERVICE', (await groupSnapshots?.canGroupSnapshots()) ?? false],
    ['SNAPSHOT_METADATA_SERVICE', snapshotMetadata !== undefined],
    ['VOLUME_ACCESSIBILITY_CONSTRAINTS', plan.isConstrained === true],
  ];
  return offers.filter(([, isOffered]) => isOffered).map(([service]) => service);
}

function assembleDriver(plan: DriverPlan, options: ServeOptions, environment: Environment, log: Log): Driver {
  const locks = createLocks();
  const { exec, metrics } = environment;
  const { controller, groupSnapshots, snapshotMetadata, node, readTopology } = plan;
  watchDriver(plan, locks, metrics);
  const services: Services = {
    Identity: createIdentityService({
      name: plan.name,
      version: VERSION,
      capabilities: { listServices: () => listServices(plan), onlineExpansion: true },
      isReady: () => Promise.resolve(true),
    }),
    ...(controller === undefined
      ? {}
      : { Controller: createControllerService({ backend: controller, locks }) }),
    ...(groupSnapshots === undefined
      ? {}
      : { GroupController: createGroupControllerService({ backend: groupSnapshots, locks }) }),
    ...(snapshotMetadata === undefined
      ? {}
      : { SnapshotMetadata: createSnapshotMetadataService(snapshotMetadata) }),
    ...(node === undefined
      ? {}
      : {
          Node: createNodeService({
            backend: node,
            nodeId: options.nodeId,
            exec,
            locks,
            ...(readTopology === undefined ? {} : { readTopology }),
          }),
        }),
  };
  const server = createServer(services, {
    endpoint: plan.endpoint,
    log,
    onEnd: (method, code, seconds) => metrics?.observeCall(plan.name, method, code, seconds),
  });
  return { name: plan.name, server, background: plan.background };
}

function planTopology(
  { domainLabels, rbdDriverName }: ServeOptions,
  { readLabels }: Environment,
): Pick<DriverPlan, 'isConstrained' | 'readTopology'> {
  if (domainLabels.length === 0) return {};
  if (readLabels === undefined) return { isConstrained: true };
  return {
    isConstrained: true,
    readTopology: async ({ signal }) => topologyOf(rbdDriverName, domainLabels, await readLabels(signal)),
  };
}

function planRbd(endpoint: string, options: ServeOptions, environment: Environment, log: Log): DriverPlan {
  const { stateDir, mapper } = options;
  const node = options.servesNode ? { node: createRbdNode({ ...environment, stateDir, mapper }) } : {};
  const topology = planTopology(options, environment);
  const plan = { name: options.rbdDriverName, endpoint, background: [], ...node, ...topology };
  if (!options.servesController) return plan;
  const controller = createRbdController({ ...environment, log, limits: options.rbdLimits });
  const execStream = createExecStream(environment.execOptions);
  const snapshotMetadata = createRbdChangedBlocks({ ...environment, execStream });
  const countWork = () => controller.countWork();
  const backends = { controller, groupSnapshots: controller, snapshotMetadata };
  return { ...plan, ...backends, background: [controller], countWork };
}

function planCephfs(endpoint: string, options: ServeOptions, environment: Environment, log: Log): DriverPlan {
  const { mounter, servesController, servesNode } = options;
  const { exec, servers } = environment;
  const runCommands = servers === undefined ? {} : { runCommands: createSessionRunner(servers, exec) };
  const controller = servesController
    ? createCephfsController({ ...environment, ...runCommands, log })
    : undefined;
  return {
    name: options.cephfsDriverName,
    endpoint,
    background: [],
    ...(controller === undefined ? {} : { controller, groupSnapshots: controller }),
    ...(servesNode ? { node: createCephfsNode({ ...environment, mounter }) } : {}),
  };
}

/**
 * The drivers that the options ask for, ready to listen. This is the one place where backends, services and
 * servers are put together.
 */
export function createDrivers(
  options: ServeOptions,
  logFor: (driver: string) => Log,
  metrics?: Metrics,
): readonly Driver[] {
  const environment = createEnvironment(options, metrics);
  const { rbdEndpoint, cephfsEndpoint, rbdDriverName, cephfsDriverName } = options;
  const drivers: Driver[] = [];
  if (rbdEndpoint !== undefined) {
    const log = logFor(rbdDriverName);
    const plan = planRbd(rbdEndpoint, options, environment, log);
    drivers.push(assembleDriver(plan, options, environment, log));
  }
  if (cephfsEndpoint !== undefined) {
    const log = logFor(cephfsDriverName);
    const plan = planCephfs(cephfsEndpoint, options, environment, log);
    drivers.push(assembleDriver(plan, options, environment, log));
  }
  return drivers;
}
