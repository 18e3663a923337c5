import { createCephfsController } from '../cephfs/controller.ts';
import { createCephfsNode } from '../cephfs/node.ts';
import { createClusterSource } from '../config/clusters.ts';
import { createCredentialSource } from '../config/credentials.ts';
import type { ServeOptions } from '../config/options.ts';
import { createExec } from '../exec/run.ts';
import { createExecStream } from '../exec/stream.ts';
import { createControllerService } from '../controller/service.ts';
import { createSnapshotMetadataService } from '../controller/snapshot-metadata-service.ts';
import { createLocks } from '../grpc/locks.ts';
import { createServer, type Server } from '../grpc/server.ts';
import type { Services } from '../grpc/service.ts';
import { createIdentityService } from '../identity/service.ts';
import type { Log } from '../model/call.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import type { NodeBackend } from '../model/node-backend.ts';
import type { SnapshotMetadataBackend } from '../model/snapshot-metadata-backend.ts';
import { createNodeService } from '../node/service.ts';
import { createRbdChangedBlocks } from '../rbd/changed-blocks.ts';
import { createRbdController } from '../rbd/controller.ts';
import { createRbdNode } from '../rbd/node.ts';
import { VERSION } from './version.ts';

/** Work of a driver that no call waits for: purging what was deleted, for example. */
export interface Background {
  start?(): void;
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
  readonly snapshotMetadata?: SnapshotMetadataBackend;
  readonly node?: NodeBackend;
}

interface DriverPlan extends Backends {
  readonly name: string;
  readonly endpoint: string;
  readonly background: readonly Background[];
}

function assembleDriver(plan: DriverPlan, options: ServeOptions, log: Log): Driver {
  const exec = createExec();
  const locks = createLocks();
  const { controller, snapshotMetadata, node } = plan;
  const services: Services = {
    Identity: createIdentityService({
      name: plan.name,
      version: VERSION,
      capabilities: {
        services: [
          ...(controller === undefined ? [] : (['CONTROLLER_SERVICE'] as const)),
          ...(snapshotMetadata === undefined ? [] : (['SNAPSHOT_METADATA_SERVICE'] as const)),
        ],
        onlineExpansion: true,
      },
      isReady: () => Promise.resolve(true),
    }),
    ...(controller === undefined
      ? {}
      : { Controller: createControllerService({ backend: controller, locks }) }),
    ...(snapshotMetadata === undefined
      ? {}
      : { SnapshotMetadata: createSnapshotMetadataService(snapshotMetadata) }),
    ...(node === undefined
      ? {}
      : { Node: createNodeService({ backend: node, nodeId: options.nodeId, exec, locks }) }),
  };
  const server = createServer(services, { endpoint: plan.endpoint, log });
  return { name: plan.name, server, background: plan.background };
}

/**
 * The drivers that the options ask for, ready to listen. This is the one place where backends, services and
 * servers are put together.
 */
export function createDrivers(options: ServeOptions, logFor: (driver: string) => Log): readonly Driver[] {
  const exec = createExec();
  const clusters = createClusterSource(options.clustersFile);
  const ownCredentials = createCredentialSource(options.credentialsDir);
  const { servesController, servesNode, stateDir } = options;
  const drivers: Driver[] = [];

  if (options.rbdEndpoint !== undefined) {
    const name = options.rbdDriverName;
    const log = logFor(name);
    const controller = servesController
      ? createRbdController({ exec, clusters, ownCredentials, log })
      : undefined;
    const execStream = createExecStream();
    const snapshotMetadata = createRbdChangedBlocks({ exec, execStream, clusters, ownCredentials });
    const node = servesNode ? createRbdNode({ exec, clusters, stateDir, mapper: options.mapper }) : undefined;
    drivers.push(
      assembleDriver(
        {
          name,
          endpoint: options.rbdEndpoint,
          background: controller === undefined ? [] : [controller],
          ...(controller === undefined ? {} : { controller, snapshotMetadata }),
          ...(node === undefined ? {} : { node }),
        },
        options,
        log,
      ),
    );
  }

  if (options.cephfsEndpoint !== undefined) {
    const name = options.cephfsDriverName;
    const log = logFor(name);
    drivers.push(
      assembleDriver(
        {
          name,
          endpoint: options.cephfsEndpoint,
          background: [],
          ...(servesController
            ? { controller: createCephfsController({ exec, clusters, ownCredentials, log }) }
            : {}),
          ...(servesNode ? { node: createCephfsNode({ exec, clusters, mounter: options.mounter }) } : {}),
        },
        options,
        log,
      ),
    );
  }
  return drivers;
}
