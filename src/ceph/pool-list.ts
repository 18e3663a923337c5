import { parseOutput } from './failure.ts';
import { arrayOf, isObject, numberOf, stringOf, type JsonObject } from './rbd-json.ts';
import { requireCeph, type CephSession } from './rbd-session.ts';
import type { Operation } from './session-operation.ts';

export interface PoolInfo {
  readonly id: number;
  readonly name: string;
  /** `full`, `full_quota`, … */
  readonly flags: readonly string[];
  /** Names of applications that use it: `rbd`, `cephfs`, … */
  readonly applications: readonly string[];
  /** Bytes; absent: no quota. */
  readonly quotaBytes?: bigint;
}

function readPool(value: JsonObject): PoolInfo {
  const quota = BigInt(numberOf(value, 'quota_max_bytes'));
  const applications = value['application_metadata'];
  return {
    id: numberOf(value, 'pool_id'),
    name: stringOf(value, 'pool_name'),
    flags: stringOf(value, 'flags_names').split(','),
    applications: isObject(applications) ? Object.keys(applications) : [],
    ...(quota === 0n ? {} : { quotaBytes: quota }),
  };
}

function monitorCommand(command: Readonly<Record<string, string>>): Operation {
  return { name: 'monitor_command', args: { command: { ...command, format: 'json' } } };
}

/** All pools of the cluster (`ceph osd pool ls detail`); `profile rbd` of the monitors allows it. */
export async function listPools(session: CephSession): Promise<readonly PoolInfo[]> {
  const what = 'ceph osd pool ls detail';
  const result = await requireCeph(session, {
    program: 'ceph',
    args: ['osd', 'pool', 'ls', 'detail', '--format', 'json'],
    what,
    operation: monitorCommand({ prefix: 'osd pool ls', detail: 'detail' }),
  });
  return arrayOf(parseOutput(result, what), what).map(readPool);
}

export interface PoolSpace {
  /** Bytes that users have stored, before replication. */
  readonly storedBytes: bigint;
  /** Bytes that users can still store, after replication or erasure coding, quotas aside. */
  readonly availableBytes: bigint;
}

/** The space of each pool by its name (`ceph df`). */
export async function readPoolSpace(session: CephSession): Promise<ReadonlyMap<string, PoolSpace>> {
  const what = 'ceph df';
  const result = await requireCeph(session, {
    program: 'ceph',
    args: ['df', '--format', 'json'],
    what,
    operation: monitorCommand({ prefix: 'df' }),
  });
  const answer = parseOutput(result, what);
  const pools = arrayOf(isObject(answer) ? answer['pools'] : undefined, what);
  return new Map(
    pools.map(pool => {
      const stats = isObject(pool['stats']) ? pool['stats'] : {};
      const space = {
        storedBytes: BigInt(numberOf(stats, 'stored')),
        availableBytes: BigInt(numberOf(stats, 'max_avail')),
      };
      return [stringOf(pool, 'name'), space] as const;
    }),
  );
}
