import { createSessionServers, type SessionServers } from '../ceph/session-servers.ts';
import { createClusterSource, type ClusterSource } from '../config/clusters.ts';
import { createCredentialSource, type CredentialSource } from '../config/credentials.ts';
import { ACCOUNT_DIR, apiServer, readNodeLabels, type NodeLabels } from '../config/node-labels.ts';
import type { ServeOptions } from '../config/options.ts';
import { createReadAffinity, type ReadAffinity } from '../config/read-affinity.ts';
import type { Exec } from '../exec/command.ts';
import { startLineServer } from '../exec/line-server.ts';
import { createExec, type ExecOptions } from '../exec/run.ts';
import type { Metrics } from '../metrics/metrics.ts';

type ReadLabels = (signal: AbortSignal) => Promise<NodeLabels>;

/** What the drivers have in common. */
export interface Environment {
  readonly exec: Exec;
  /** Connections to the clusters that stay open, for both drivers; absent: each Ceph command is a process. */
  readonly servers?: SessionServers;
  readonly execOptions: ExecOptions;
  readonly clusters: ClusterSource;
  readonly ownCredentials?: CredentialSource;
  readonly readLabels?: ReadLabels;
  /** Absent: what the clusters file says of it is without effect. */
  readonly readAffinity?: ReadAffinity;
  readonly metrics?: Metrics;
}

/** The node's few commands are processes: a connection would cost each node more than it saves (docs/performance.md). */
function createServers(options: ServeOptions, metrics: Metrics | undefined): SessionServers | undefined {
  const { cephTransport, servesController } = options;
  if (cephTransport === 'process' || !servesController) return undefined;
  return createSessionServers(startLineServer, {
    isRequired: cephTransport === 'session',
    ...(metrics === undefined ? {} : { onEnd: metrics.observeOperation }),
  });
}

/** Absent: nobody asks for this node's labels. */
function createLabelReader(options: ServeOptions): ReadLabels | undefined {
  const { readAffinity, domainLabels, servesNode, nodeId } = options;
  if (!servesNode || !(readAffinity || domainLabels.length > 0)) return undefined;
  const node = { nodeId, server: apiServer(process.env), accountDir: ACCOUNT_DIR };
  return signal => readNodeLabels(node, signal);
}

/** @throws DriverError `failed-precondition` when the options need the Kubernetes API, and there is none. */
export function createEnvironment(options: ServeOptions, metrics?: Metrics): Environment {
  const { clustersFile, credentialsDir } = options;
  const servers = createServers(options, metrics);
  const execOptions = metrics === undefined ? {} : { onEnd: metrics.observeProgram };
  const clusters = createClusterSource(clustersFile);
  const readLabels = createLabelReader(options);
  const readAffinity =
    readLabels !== undefined && options.readAffinity ? createReadAffinity(clusters, readLabels) : undefined;
  return {
    exec: createExec(execOptions),
    execOptions,
    ...(servers === undefined ? {} : { servers }),
    clusters,
    ...(readLabels === undefined ? {} : { readLabels }),
    ...(readAffinity === undefined ? {} : { readAffinity }),
    ...(credentialsDir === undefined ? {} : { ownCredentials: createCredentialSource(credentialsDir) }),
    ...(metrics === undefined ? {} : { metrics }),
  };
}
