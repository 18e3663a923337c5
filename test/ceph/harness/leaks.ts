import { readFile, readdir } from 'node:fs/promises';
import { listLoopDevices } from '../../../src/mount/loop-device.ts';
import { mountsBelow, readMounts } from '../../../src/mount/mountinfo.ts';
import { cluster, listSubvolumes, rados } from './cluster.ts';

/** What a test has left in the cluster or on this machine, each in words. */
export type Leaks = readonly string[];

/** All that makes up images, also of those in the trash; and what no image claims. */
const IMAGE_OBJECT = /^rbd_(id|header|data|object_map)\./;
/** A data object for each 4 MiB: named once for each image. */
const DATA_OBJECT = /^(rbd_data\.(?:[0-9]+\.)?([0-9a-f]+))\.[0-9a-f]{16}$/;

interface PoolObject {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Whether anything can be read of it. One that is deleted while a client that was killed at the wrong moment still named a
 * removed snapshot stays listed, as a snapshot's object that OSDs have no reason to trim any more.
 */
async function isReadable(pool: string, { namespace, name }: PoolObject): Promise<boolean> {
  const place = ['--pool', pool, ...(namespace === '' ? [] : ['--namespace', namespace])];
  return await rados(...place, 'stat', name).then(
    () => true,
    () => false,
  );
}

async function listPool(pool: string): Promise<string[]> {
  const lines = (await rados('--pool', pool, 'ls', '--all')).split('\n');
  // Each line has the namespace, a tab, and the object.
  const objects = lines
    .map(line => line.split('\t'))
    .map(([namespace = '', name = '']) => ({ namespace, name }));
  const headers = new Set(objects.map(({ name }) => name).filter(name => name.startsWith('rbd_header.')));
  const names: string[] = [];
  for (const object of objects.filter(({ name }) => IMAGE_OBJECT.test(name))) {
    const [, prefix, imageId] = DATA_OBJECT.exec(object.name) ?? [];
    const isOrphan = imageId !== undefined && !headers.has(`rbd_header.${imageId}`);
    if (isOrphan && !(await isReadable(pool, object))) continue;
    names.push([object.namespace, prefix ?? object.name].filter(part => part !== '').join('/'));
  }
  return names.map(name => `pool ${pool}: ${name}`);
}

/** The keys of CephFS's index of snapshot names: of snapshots, and of removals that go on. */
export async function listSnapshotIndex(): Promise<string[]> {
  const place = ['--pool', `${cluster.fsName}.meta`, '--namespace', 'csi-driver-ceph'];
  const objects = (await rados(...place, 'ls')).split('\n');
  if (!objects.includes('snapshots')) return [];
  return (await rados(...place, 'listomapkeys', 'snapshots')).split('\n').filter(key => key !== '');
}

/** What is in the cluster: images and subvolumes in any state, and removals of CephFS snapshots that did not end. */
export async function listClusterContent(): Promise<Leaks> {
  const lists = await Promise.all([
    ...Object.values(cluster.pools).map(listPool),
    ...['csi', 'csi-views'].map(async group =>
      (await listSubvolumes(group)).map(name => `subvolume ${name}`),
    ),
    listSnapshotIndex().then(keys => keys.filter(key => key.startsWith('removal/'))),
  ]);
  return [...new Set(lists.flat())].sort();
}

async function listProcesses(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(
    entry => /^[0-9]+$/.test(entry) && Number(entry) !== process.pid,
  );
  const commands = pids.map(async pid => {
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    return command.includes(mark) ? `process ${pid}: ${command}` : undefined;
  });
  return (await Promise.all(commands)).filter(command => command !== undefined);
}

/** What the kernel's own client has mapped of the cluster; behind every other device there is a process. */
async function listMappings(): Promise<string[]> {
  const numbers = await readdir('/sys/bus/rbd/devices').catch(() => []);
  const found = numbers.map(async number => {
    const file = `/sys/bus/rbd/devices/${number}/cluster_fsid`;
    const fsid = await readFile(file, 'utf8').catch(() => '');
    return fsid.trim() === cluster.clusterId ? [`/dev/rbd${number}`] : [];
  });
  return (await Promise.all(found)).flat();
}

/** Mounts, mappings, loop devices and processes that have to do with a directory of a test, or with the cluster. */
export async function listMachineContent(directory: string): Promise<Leaks> {
  const [mounts, mappings, loops, own, clients, memory] = await Promise.all([
    readMounts().then(all => mountsBelow(all, directory).map(mount => `mount ${mount.path}`)),
    listMappings(),
    listLoopDevices(),
    listProcesses(directory),
    listProcesses(cluster.monitors.join(',')),
    readdir('/dev/shm'),
  ]);
  return [
    ...mounts,
    ...mappings,
    ...loops
      .filter(loop => loop.backingFile.startsWith(`${directory}/`))
      .map(loop => `${loop.path} of ${loop.backingFile}`),
    ...own,
    ...clients,
    ...memory.filter(name => name.startsWith('csi-driver-ceph-')).map(name => `/dev/shm/${name}`),
  ];
}

/** The users whose keys occur in what a driver printed. */
export function findPrintedKeys(output: string): Leaks {
  return Object.values(cluster.users)
    .filter(user => output.includes(user.key))
    .map(user => `the driver printed the key of ${user.userId}`);
}
