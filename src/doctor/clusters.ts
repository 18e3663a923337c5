import { createProcessRunner, queryCluster, requireObject, requireText } from '../ceph/ceph-command.ts';
import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { listSubvolumes } from '../ceph/fs-subvolume.ts';
import { describeRankProblem, listFileSystems, type FileSystem } from '../ceph/fs-volume.ts';
import { listPools, type PoolInfo } from '../ceph/pool-list.ts';
import { listImages } from '../ceph/rbd-image-list.ts';
import type { CephSession } from '../ceph/rbd-session.ts';
import { createClusterSource, type Cluster } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { examine, fail, textOf, type Finding } from './finding.ts';

export interface ClusterQuestions {
  readonly exec: Exec;
  readonly clustersFile: string;
  /** As whom to look at each cluster. */
  readonly credentials: CredentialSource;
  /** Those that have to be there; none: all that there are, none of which has to. */
  readonly pools: readonly string[];
  readonly fileSystems: readonly string[];
}

type Findings = AsyncGenerator<Finding, void, undefined>;

interface OpenCluster {
  readonly cluster: Cluster;
  readonly session: CephSession;
  readonly access: ClusterAccess;
}

async function readVersion({ cluster, access }: OpenCluster): Promise<string> {
  const what = 'ceph version';
  const answer = await queryCluster({ target: 'mon', prefix: 'version', args: {} }, what, access);
  const version = requireText(requireObject(answer, what), 'version', what);
  return `the monitors at ${cluster.monitors.join(', ')} let client.${access.connection.userId} in: ${version}`;
}

/** Pools, or file systems. */
interface Kind<Listing> {
  readonly noun: string;
  /** Those that have to be there and usable; none: the ones that there are, which are looked at only. */
  readonly wanted: readonly string[];
  readonly list: () => Promise<Listing>;
  readonly namesOf: (all: Listing) => readonly string[];
  readonly look: (name: string, all: Listing) => Promise<string>;
}

async function* examineKind<Listing>(subject: string, kind: Kind<Listing>): Findings {
  const isWanted = kind.wanted.length > 0;
  const otherwise = isWanted ? 'failed' : 'note';
  let all: Listing;
  try {
    all = await kind.list();
  } catch (error) {
    yield { state: otherwise, subject, text: textOf(error) };
    return;
  }
  for (const name of isWanted ? kind.wanted : kind.namesOf(all)) {
    yield await examine(`${subject}, ${kind.noun} ${name}`, () => kind.look(name, all), otherwise);
  }
}

async function lookAtPool(name: string, pools: readonly PoolInfo[], open: OpenCluster): Promise<string> {
  const pool = pools.find(candidate => candidate.name === name);
  if (pool === undefined)
    fail(`there is no such pool; the cluster has ${pools.map(one => one.name).join(', ')}`);
  if (!pool.applications.includes('rbd')) fail(`it is not for RBD: rbd pool init ${name}`);
  const full = pool.flags.find(flag => flag.startsWith('full'));
  if (full !== undefined) fail(`it is full (${full}): nothing can be written to it`);
  const { radosNamespace: namespace } = open.cluster.rbd;
  const ref = { pool: name, ...(namespace === undefined ? {} : { namespace }) };
  const images = await listImages(open.session, ref);
  const where = namespace === undefined ? '' : ` in the namespace ${namespace}`;
  return `client.${open.access.connection.userId} can list it: ${images.length} images${where}`;
}

function describePools(wanted: readonly string[], open: OpenCluster): Kind<readonly PoolInfo[]> {
  return {
    noun: 'pool',
    wanted,
    list: () => listPools(open.session),
    namesOf: pools => pools.filter(pool => pool.applications.includes('rbd')).map(pool => pool.name),
    look: (name, pools) => lookAtPool(name, pools, open),
  };
}

async function lookAtFileSystem(
  fsName: string,
  all: readonly FileSystem[],
  open: OpenCluster,
): Promise<string> {
  const names = all.map(({ name }) => name);
  if (!names.includes(fsName)) {
    fail(`there is no such file system; the cluster has ${names.join(', ') || 'none'}`);
  }
  const problem = await describeRankProblem(fsName, open.access);
  if (problem !== undefined) fail(problem);
  const { subvolumeGroup: group } = open.cluster.cephfs;
  const volumes = await listSubvolumes({ fsName, group }, open.access);
  const user = `client.${open.access.connection.userId}`;
  return `${user} can list it: ${volumes.length} subvolumes in the group ${group}`;
}

function describeFileSystems(wanted: readonly string[], open: OpenCluster): Kind<readonly FileSystem[]> {
  return {
    noun: 'file system',
    wanted,
    list: () => listFileSystems(open.access),
    namesOf: all => all.map(({ name }) => name),
    look: (name, all) => lookAtFileSystem(name, all, open),
  };
}

async function* examineCluster(cluster: Cluster, questions: ClusterQuestions, context: Context): Findings {
  const { exec, pools, fileSystems } = questions;
  const subject = `cluster ${cluster.clusterId}`;
  const credentials = questions.credentials(cluster.clusterId);
  if (credentials === undefined) {
    const text =
      'not looked at: no user is known for it (--credentials-dir, or --user and --key-file). Without one of its own ' +
      'the driver neither lists volumes nor tells the capacity, and purges deleted volumes only as it deletes others';
    yield { state: 'note', subject, text };
    return;
  }
  const connection = { monitors: cluster.monitors, ...credentials };
  const access = { run: createProcessRunner(exec), connection, context };
  const open = { cluster, session: { exec, connection, context }, access };
  const reached = await examine(subject, () => readVersion(open));
  yield reached;
  if (reached.state !== 'ok') return;
  yield* examineKind(subject, describePools(pools, open));
  yield* examineKind(subject, describeFileSystems(fileSystems, open));
}

/** Looks at the clusters file, and at each cluster in it as the user whose credentials are known for it. */
export async function* examineClusters(questions: ClusterQuestions, context: Context): Findings {
  let clusters: readonly Cluster[] = [];
  yield await examine('clusters file', () => {
    clusters = createClusterSource(questions.clustersFile).list();
    if (clusters.length === 0) fail(`${questions.clustersFile} has no cluster`);
    const names = clusters.map(({ clusterId }) => clusterId).join(', ');
    return Promise.resolve(`${questions.clustersFile} has ${names}`);
  });
  for (const cluster of clusters) yield* examineCluster(cluster, questions, context);
}
