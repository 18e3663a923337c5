import { readFileSync, statSync } from 'node:fs';
import { DriverError } from '../model/errors.ts';

/** One Ceph cluster of the clusters file, whose format is the Go driver's (`config.json` of `ceph-csi-config`). */
export interface Cluster {
  readonly clusterId: string;
  /** `host:port` or `[v2:…,v1:…]`, at least one. */
  readonly monitors: readonly string[];
  readonly rbd: {
    readonly radosNamespace?: string;
    /** Milliseconds that a deleted volume stays restorable in the trash; 0: it goes at once. */
    readonly deletedVolumeRetention: number;
  };
  readonly cephfs: {
    readonly subvolumeGroup: string;
    readonly kernelMountOptions: string;
    readonly fuseMountOptions: string;
  };
  readonly readAffinity: { readonly enabled: boolean; readonly crushLocationLabels: readonly string[] };
}

/** Where the clusters are looked up; the file is read again when it has changed. */
export interface ClusterSource {
  /** @throws DriverError `invalid-argument` for an unknown cluster ID, `failed-precondition` for a bad file. */
  find(clusterId: string): Cluster;
  list(): readonly Cluster[];
}

const DEFAULT_SUBVOLUME_GROUP = 'csi';

type JsonObject = Readonly<Partial<Record<string, unknown>>>;

class FieldReader {
  readonly #where: string;
  readonly #object: JsonObject;

  constructor(where: string, object: unknown) {
    if (typeof object !== 'object' || object === null || Array.isArray(object)) {
      throw new DriverError('failed-precondition', `${where} has to be an object`);
    }
    this.#where = where;
    this.#object = { ...object };
  }

  #fail(key: string, expected: string): never {
    const value = JSON.stringify(this.#object[key]);
    throw new DriverError('failed-precondition', `${this.#where}.${key} has to be ${expected}, not ${value}`);
  }

  string(key: string): string | undefined {
    const value = this.#object[key];
    if (value === undefined || value === '') return undefined;
    return typeof value === 'string' ? value : this.#fail(key, 'a string');
  }

  strings(key: string): readonly string[] {
    const value: unknown = this.#object[key] ?? [];
    if (!Array.isArray(value)) return this.#fail(key, 'a list of strings');
    const items: readonly unknown[] = value;
    return items.map(item => (typeof item === 'string' ? item : this.#fail(key, 'a list of strings')));
  }

  boolean(key: string): boolean {
    const value = this.#object[key] ?? false;
    return typeof value === 'boolean' ? value : this.#fail(key, 'true or false');
  }

  object(key: string): FieldReader {
    return new FieldReader(`${this.#where}.${key}`, this.#object[key] ?? {});
  }

  require(key: string): string {
    return this.string(key) ?? this.#fail(key, 'a string that is not empty');
  }

  requireStrings(key: string): readonly string[] {
    const value = this.strings(key);
    return value.length > 0 ? value : this.#fail(key, 'a list of at least one string');
  }
}

const DURATION_UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * `30m`, `12h`, `7d` → milliseconds.
 * @param subject names the setting in the error.
 */
export function parseDuration(text: string, subject: string): number {
  const match = /^(0|[1-9][0-9]{0,5})([smhd])$/.exec(text);
  if (text === '0') return 0;
  if (match === null) {
    throw new DriverError(
      'invalid-argument',
      `${subject}: "${text}" is not a duration such as 30m, 12h or 7d`,
    );
  }
  const [, count, unit] = match;
  return Number(count) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
}

function readCluster(value: unknown, index: number): Cluster {
  const fields = new FieldReader(`clusters[${index}]`, value);
  const rbd = fields.object('rbd');
  const cephfs = fields.object('cephFS');
  const affinity = fields.object('readAffinity');
  const namespace = rbd.string('radosNamespace');
  return {
    clusterId: fields.require('clusterID'),
    monitors: fields.requireStrings('monitors'),
    rbd: {
      ...(namespace === undefined ? {} : { radosNamespace: namespace }),
      deletedVolumeRetention: parseDuration(
        rbd.string('deletedVolumeRetention') ?? '0',
        `clusters[${index}].rbd.deletedVolumeRetention`,
      ),
    },
    cephfs: {
      subvolumeGroup: cephfs.string('subvolumeGroup') ?? DEFAULT_SUBVOLUME_GROUP,
      kernelMountOptions: cephfs.string('kernelMountOptions') ?? '',
      fuseMountOptions: cephfs.string('fuseMountOptions') ?? '',
    },
    readAffinity: {
      enabled: affinity.boolean('enabled'),
      crushLocationLabels: affinity.strings('crushLocationLabels'),
    },
  };
}

/**
 * Parses the clusters file. Keys that this driver does not know are left alone: the Go driver's file has some.
 * @throws DriverError `failed-precondition` naming the entry and the key.
 */
export function parseClusters(text: string): readonly Cluster[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new DriverError('failed-precondition', `it is not JSON: ${String(error)}`, { cause: error });
  }
  if (!Array.isArray(parsed)) throw new DriverError('failed-precondition', 'it has to be a list of clusters');
  const clusters = parsed.map(readCluster);
  const ids = clusters.map(cluster => cluster.clusterId);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined)
    throw new DriverError('failed-precondition', `clusterID "${twice}" is there twice`);
  return clusters;
}

/** The clusters of a file, read again whenever a new one has taken its place (a ConfigMap's mount does so). */
export function createClusterSource(file: string): ClusterSource {
  let stamp = '';
  let clusters: readonly Cluster[] = [];

  function list(): readonly Cluster[] {
    try {
      const { ino, mtimeMs, size } = statSync(file);
      const current = `${ino} ${mtimeMs} ${size}`;
      if (current !== stamp) {
        clusters = parseClusters(readFileSync(file, 'utf8'));
        stamp = current;
      }
      return clusters;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new DriverError('failed-precondition', `clusters file ${file}: ${why}`, { cause: error });
    }
  }

  return {
    list,
    find(clusterId) {
      const found = list().find(cluster => cluster.clusterId === clusterId);
      if (found !== undefined) return found;
      const known = clusters.map(cluster => `"${cluster.clusterId}"`).join(', ') || 'none';
      throw new DriverError(
        'invalid-argument',
        `clusterID: "${clusterId}" is not in the clusters file; it has ${known}`,
      );
    },
  };
}
