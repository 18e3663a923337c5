/** What a Ceph entity may do, by the service that it asks. */
export type Capabilities = Readonly<Partial<Record<'mon' | 'mgr' | 'osd' | 'mds', string>>>;

/** An entry of a keyring. */
export interface KeyringEntry {
  readonly entity: string;
  readonly key: string;
  readonly capabilities: Capabilities;
}

export const POOLS = { replicated: 'rbd', erasureCoded: 'rbd-ec' } as const;
export const FILE_SYSTEM = 'cephfs';
/** The driver's default subvolume group. */
const SUBVOLUME_GROUP = 'csi';

const rbdPools = Object.values(POOLS)
  .map(pool => `profile rbd pool=${pool}`)
  .join(', ');

/** The users that docs/users.md tells administrators to make, with these capabilities and no more. */
export const CSI_USERS = {
  rbdProvisioner: {
    userId: 'csi-rbd-provisioner',
    capabilities: { mon: 'profile rbd', osd: rbdPools },
  },
  rbdNode: {
    userId: 'csi-rbd-node',
    capabilities: { mon: 'profile rbd', osd: rbdPools },
  },
  cephfsProvisioner: {
    userId: 'csi-cephfs-provisioner',
    capabilities: {
      mon: 'allow r',
      mgr: 'allow module volumes rw',
      // The index of snapshot names, in a namespace of its own.
      osd: `allow rw namespace=csi-driver-ceph tag cephfs metadata=${FILE_SYSTEM}`,
    },
  },
  cephfsNode: {
    userId: 'csi-cephfs-node',
    capabilities: {
      mon: `allow r fsname=${FILE_SYSTEM}`,
      mds: `allow rw fsname=${FILE_SYSTEM} path=/volumes/${SUBVOLUME_GROUP}`,
      osd: `allow rw tag cephfs data=${FILE_SYSTEM}`,
    },
  },
  driver: {
    userId: 'csi-driver',
    capabilities: { mon: 'allow r, profile rbd', mgr: 'allow module volumes rw', osd: rbdPools },
  },
} as const satisfies Record<string, { userId: string; capabilities: Capabilities }>;

/**
 * For classes with `backingSnapshot` alone: the files of a deleted volume's snapshot are below no path that a capability
 * could name. docs/users.md tells of it, too; the tests that need it make it.
 */
export const VIEW_READER = {
  userId: 'csi-cephfs-reader',
  capabilities: {
    mon: `allow r fsname=${FILE_SYSTEM}`,
    mds: `allow r fsname=${FILE_SYSTEM}`,
    osd: `allow r tag cephfs data=${FILE_SYSTEM}`,
  },
} as const satisfies { userId: string; capabilities: Capabilities };

/** What Ceph's own documentation gives an administrator and each kind of daemon. */
export const ENTITY_CAPABILITIES = {
  'mon.': { mon: 'allow *' },
  'client.admin': { mon: 'allow *', mgr: 'allow *', osd: 'allow *', mds: 'allow *' },
  mgr: { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' },
  osd: { mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' },
  mds: { mon: 'allow profile mds', mgr: 'allow profile mds', osd: 'allow rwx', mds: 'allow *' },
} as const satisfies Record<string, Capabilities>;

export function formatKeyring(entries: readonly KeyringEntry[]): string {
  return entries
    .map(({ entity, key, capabilities }) => {
      const lines = Object.entries(capabilities).map(
        ([service, grant]) => `\tcaps ${service} = "${grant}"\n`,
      );
      return `[${entity}]\n\tkey = ${key}\n${lines.join('')}`;
    })
    .join('');
}
