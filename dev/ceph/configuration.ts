import type { Installation } from './release.ts';

/** What differs between two clusters. */
export interface ClusterIdentity {
  readonly directory: string;
  readonly fsid: string;
  /** Where every daemon listens. */
  readonly address: string;
  /** `[v2:…,v1:…]` */
  readonly monitor: string;
  /** Of the release that it runs; absent: the machine's own packages, which find their parts by themselves. */
  readonly installation?: Installation;
}

/** Size of the file behind each OSD; it is sparse, so that it takes what is written only. */
const OSD_BYTES = 20n * 1024n ** 3n;

function formatParts({ libraries, managerModules }: Installation): string {
  return `plugin dir = ${libraries}/ceph
erasure code dir = ${libraries}/ceph/erasure-code
osd class dir = ${libraries}/rados-classes
mgr module path = ${managerModules}
`;
}

/**
 * The ceph.conf of a one-node cluster for tests: one copy of everything, everything on one address, and everything that
 * it writes in its own directory.
 */
export function formatConfiguration(identity: ClusterIdentity): string {
  const { directory, fsid, address, monitor, installation } = identity;
  return `[global]
fsid = ${fsid}
mon host = ${monitor}
mon initial members = a
public network = ${address}/32
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${directory}/keyring
run dir = ${directory}/run
admin socket =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
${installation === undefined ? '' : formatParts(installation)}
[client]
log file =

[mon]
mon data = ${directory}/mon.a
mon cluster log file = ${directory}/log/cluster.log
# The share of the disk that is free says nothing about a cluster that is thrown away soon.
mon data avail warn = 1
mon data avail crit = 1
mgr initial modules = iostat
log file = ${directory}/log/$name.log

[mgr]
mgr data = ${directory}/mgr.x
log file = ${directory}/log/$name.log

[osd]
osd data = ${directory}/$name
osd objectstore = bluestore
bluestore block size = ${OSD_BYTES}
bluestore block create = true
bluestore fsck on mount = false
osd memory target = 939524096
log file = ${directory}/log/$name.log

[mds]
mds data = ${directory}/mds.m
# Without it a metadata server never answers what it is told: "ceph fs quiesce" would wait for ever.
admin socket = ${directory}/run/$name.asok
log file = ${directory}/log/$name.log
`;
}
