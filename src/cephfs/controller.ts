import { createProcessRunner, type CommandRunner } from '../ceph/ceph-command.ts';
import type { SessionServers } from '../ceph/session-servers.ts';
import type { ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Log } from '../model/call.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import type { GroupSnapshotBackend } from '../model/group-snapshot-backend.ts';
import { encodeVolumeHandle } from '../model/handle.ts';
import type { Environment } from './environment.ts';
import { createGroupController } from './group-controller.ts';
import { getCapacity, getVolume, listSnapshotPage, listVolumes } from './listing.ts';
import { createSnapshot, deleteSnapshot, getSnapshot } from './snapshots.ts';
import { deleteVolume, expandVolume, modifyVolume, validateVolume } from './volume-changes.ts';
import { createVolume, locateVolume } from './volume-creation.ts';

export interface CephfsControllerDependencies {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  readonly log: Log;
  /** The driver's own user at each cluster: listing and capacity need it. */
  readonly ownCredentials?: CredentialSource;
  /** Connections that stay open, where they can be used. */
  readonly servers?: SessionServers;
  /** How clusters run commands; default: a `ceph` process for each. */
  readonly runCommands?: CommandRunner;
}

function hasOwnCredentials({ clusters, ownCredentials }: Environment): boolean {
  return clusters.list().some(({ clusterId }) => ownCredentials(clusterId) !== undefined);
}

/** Calls that carry no secrets: possible only with credentials of the driver's own. */
function createListing(
  environment: Environment,
): Required<Pick<ControllerBackend, 'getVolume' | 'listVolumes' | 'getCapacity' | 'listSnapshots'>> {
  return {
    getVolume: (volumeId, context) => getVolume(volumeId, environment, context),
    listVolumes: (request, context) => listVolumes(request, environment, context),
    getCapacity: (query, context) => getCapacity(query, environment, context),
    listSnapshots: (query, context) => listSnapshotPage(query, environment, context),
  };
}

/**
 * CephFS volumes: subvolumes of a subvolume group. Nothing is recorded elsewhere: names follow from requests, and
 * Ceph tells what there is.
 */
export function createCephfsController(
  dependencies: CephfsControllerDependencies,
): ControllerBackend & GroupSnapshotBackend {
  const { exec, clusters, servers } = dependencies;
  const environment: Environment = {
    exec,
    clusters,
    ...(servers === undefined ? {} : { servers }),
    runCommands: dependencies.runCommands ?? createProcessRunner(exec),
    ownCredentials: dependencies.ownCredentials ?? (() => undefined),
  };
  return {
    chooseVolumeId: spec => encodeVolumeHandle(locateVolume(spec, environment)),
    createVolume: (spec, context) => createVolume(spec, environment, context),
    deleteVolume: (volume, context) => deleteVolume(volume, environment, context),
    validateVolume: (request, context) => validateVolume(request, environment, context),
    expandVolume: (request, context) => expandVolume(request, environment, context),
    modifyVolume: (request, context) => modifyVolume(request, environment, context),
    createSnapshot: (spec, context) => createSnapshot(spec, environment, context),
    deleteSnapshot: (snapshot, context) => deleteSnapshot(snapshot, environment, context),
    getSnapshot: (snapshot, context) => getSnapshot(snapshot, environment, context),
    ...createGroupController(environment, dependencies.log),
    ...(hasOwnCredentials(environment) ? createListing(environment) : {}),
  };
}
