import { createProcessRunner, queryCluster, requireObject, requireText } from '../ceph/ceph-command.ts';
import type { ClusterAccess } from '../ceph/ceph-command.ts';
import { listSubvolumes } from '../ceph/fs-subvolume.ts';
import { describeRankProblem, listFileSystems } from '../ceph/fs-volume.ts';
import { listPools, type PoolInfo } from '../ceph/pool-list.ts';
import { listImages } from '../ceph/rbd-image-list.ts';
import type { CephSession } from '../ceph/rbd-session.ts';
import { createClusterSource, type Cluster } from '../config/clusters.ts';
import type { CredentialSource } from '../config/credentials.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { examine, fail, type Finding } from './finding.ts';

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

async function* examinePools(wanted: readonly string[], subject: string, open: OpenCluster): Findings {
  const isWanted = wanted.length > 0;
  const otherwise = isWanted ? 'failed' : 'note';
  let pools: readonly PoolInfo[] = [];
  const listing = await examine(
    subject,
    async () => {
      pools = await listPools(open.session);
      return '';
    },
    otherwise,
  );
  if (listing.state !== 'ok') {
    yield listing;
    return;
  }
  const forRbd = pools.filter(pool => pool.applications.includes('rbd')).map(pool => pool.name);
  for (const name of isWanted ? wanted : forRbd) {
    yield await examine(`${subject}, pool ${name}`, () => lookAtPool(name, pools, open), otherwise);
  }
}

async function lookAtFileSystem(fsName: string, all: readonly string[], open: OpenCluster): Promise<string> {
  if (!all.includes(fsName))
    fail(`there is no such file system; the cluster has ${all.join(', ') || 'none'}`);
  const problem = await describeRankProblem(fsName, open.access);
  if (problem !== undefined) fail(problem);
  const { subvolumeGroup: group } = open.cluster.cephfs;
  const volumes = await listSubvolumes({ fsName, group }, open.access);
  return `client.${open.access.connection.userId} can list it: ${volumes.length} subvolumes in the group ${group}`;
}

async function* examineFileSystems(wanted: readonly string[], subject: string, open: OpenCluster): Findings {
  const isWanted = wanted.length > 0;
  const otherwise = isWanted ? 'failed' : 'note';
  let all: readonly string[] = [];
  const listing = await examine(
    subject,
    async () => {
      all = (await listFileSystems(open.access)).map(({ name }) => name);
      return '';
    },
    otherwise,
  );
  if (listing.state !== 'ok') {
    yield listing;
    return;
  }
  for (const name of isWanted ? wanted : all) {
    yield await examine(
      `${subject}, file system ${name}`,
      () => lookAtFileSystem(name, all, open),
      otherwise,
    );
  }
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
  yield* examinePools(pools, subject, open);
  yield* examineFileSystems(fileSystems, subject, open);
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
