import { createCephProcesses, type RunCeph } from '../ceph/ceph-command.ts';
import type { ClusterSource } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Log } from '../model/call.ts';
import type { ControllerBackend } from '../model/controller-backend.ts';
import { encodeVolumeHandle } from '../model/handle.ts';
import type { Environment } from './environment.ts';
import { deleteVolume, expandVolume, validateVolume } from './volume-changes.ts';
import { createVolume, locateVolume } from './volume-creation.ts';

export interface CephfsControllerDependencies {
  readonly exec: Exec;
  readonly clusters: ClusterSource;
  readonly log: Log;
  /** The driver's own user at each cluster: listing and capacity need it. */
  readonly ownCredentials?: CredentialSource;
  /** How clusters run commands; default: a `ceph` process for each. */
  readonly runCeph?: RunCeph;
}

/**
 * CephFS volumes: subvolumes of a subvolume group. Nothing is recorded elsewhere: names follow from requests, and
 * Ceph tells what there is.
 */
export function createCephfsController(dependencies: CephfsControllerDependencies): ControllerBackend {
  const { exec, clusters } = dependencies;
  const environment: Environment = {
    exec,
    clusters,
    runCeph: dependencies.runCeph ?? createCephProcesses(exec),
    ownCredentials: dependencies.ownCredentials ?? (() => undefined),
  };
  return {
    chooseVolumeId: spec => encodeVolumeHandle(locateVolume(spec, environment)),
    createVolume: (spec, context) => createVolume(spec, environment, context),
    deleteVolume: (volume, context) => deleteVolume(volume, environment, context),
    validateVolume: (request, context) => validateVolume(request, environment, context),
    expandVolume: (request, context) => expandVolume(request, environment, context),
  };
}
