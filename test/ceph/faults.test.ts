import { status } from '@grpc/grpc-js';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mountCapability } from '../../dev/driver/requests.ts';
import { startDriver, type DriverProcess } from '../../dev/driver/process.ts';
import { csi } from '../../src/grpc/contract.ts';
import { ceph, cluster, rados, values, withHangingOsds, withPoolQuota } from './harness/cluster.ts';
import { useDriver } from './harness/driver.ts';

/** Milliseconds that the callers below give each call. */
const DEADLINE = 15_000;

const driver = useDriver();

interface Changes {
  readonly name?: string;
  readonly parameters?: Record<string, string>;
  readonly secrets?: Record<string, string>;
}

function createVolume(changes: Changes = {}, timeout = DEADLINE, client = driver.rbd) {
  const request = {
    name: changes.name ?? 'faulty',
    parameters: { ...values.rbd.parameters, ...changes.parameters },
    secrets: { ...values.rbd.secrets, ...changes.secrets },
    volume_capabilities: [mountCapability()],
  };
  return client.call(csi.Controller.CreateVolume, request, { timeout });
}

async function deleteVolume(volumeId: string): Promise<void> {
  await driver.rbd.call(csi.Controller.DeleteVolume, { volume_id: volumeId, secrets: values.rbd.secrets });
}

/** The driver answers as before: one fault must not break it for others. */
async function expectHealthy(): Promise<void> {
  const { volume } = await createVolume({ name: 'healthy' }, 60_000);
  await deleteVolume(volume?.volume_id ?? '');
}

afterEach(expectHealthy, 120_000);

describe('a fault of the set-up has its own error', () => {
  it('a key that Ceph refuses', async () => {
    const userKey = 'AQBSdFhkAAAAABAAm0jV1ZbPYEsVbGXJcRhpRA==';
    await expect(createVolume({ secrets: { userKey } })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('refused the key of client.csi-rbd-provisioner') as string,
    });
  });

  it('a user that Ceph does not know', async () => {
    await expect(createVolume({ secrets: { userID: 'nobody' } })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('client.nobody') as string,
    });
  });

  it('a Secret without a key', async () => {
    await expect(createVolume({ secrets: { userKey: '' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('userKey') as string,
    });
  });

  it('a pool that does not exist', async () => {
    await expect(createVolume({ parameters: { pool: 'no-such-pool' } })).rejects.toMatchObject({
      details: expect.stringContaining('no-such-pool') as string,
    });
  });

  it('a user that may not use the pool', async () => {
    const { userId, key } = cluster.users.cephfsNode;
    await expect(createVolume({ secrets: { userID: userId, userKey: key } })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining(`client.${userId}`) as string,
    });
  });

  it('a cluster that is not in the clusters file', async () => {
    await expect(createVolume({ parameters: { clusterID: 'elsewhere' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('"elsewhere" is not in the clusters file') as string,
    });
  });
});

describe('monitors that cannot be reached', () => {
  let own: DriverProcess | undefined;

  afterEach(async () => {
    await own?.stop();
    own = undefined;
  });

  it('are named before the caller gives up', async () => {
    const directory = join(driver.directory, 'other');
    const clustersFile = join(driver.directory, 'unreachable.json');
    await mkdir(directory);
    // A port of loopback on which nobody listens.
    await writeFile(
      clustersFile,
      JSON.stringify([{ clusterID: cluster.clusterId, monitors: ['127.0.0.1:9'] }]),
    );
    own = await startDriver({
      cluster: { clustersFile, credentialsDirectory: cluster.credentialsDirectory },
      directory,
    });
    await expect(createVolume({}, DEADLINE, own.rbd)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringContaining('the monitors at 127.0.0.1:9 cannot be reached') as string,
    });
  });
});

describe('storage that does not answer', () => {
  it('ends the call at its deadline, and the retry finds what the first call had begun', async () => {
    await withHangingOsds(async () => {
      await expect(createVolume({ name: 'patient' }, 3_000)).rejects.toMatchObject({
        code: status.DEADLINE_EXCEEDED,
      });
    });
    await expect
      .poll(() => createVolume({ name: 'patient' }, 60_000).then(({ volume }) => volume?.volume_id), {
        timeout: 150_000,
      })
      .toContain('csi-vol-patient');
    await deleteVolume(`rbd1/${cluster.clusterId}/${cluster.pools.replicated}/csi-vol-patient`);
  });

  it('ends the call when the pool is full, and says so', async () => {
    const pool = cluster.pools.replicated;
    const { volume } = await createVolume({ name: 'filler' }, 60_000);
    const late: string[] = [];
    await withPoolQuota(pool, 1n, async () => {
      // The monitors count what is stored every few seconds.
      await rados('--pool', pool, 'put', 'filler', '/proc/self/exe');
      await expect
        .poll(() => ceph('osd', 'pool', 'ls', 'detail'), { timeout: 120_000 })
        .toMatch(/full_quota/);
      // Clients and OSDs hear of it a moment after the monitors have decided: a volume is still made until then.
      const attempt = async (): Promise<unknown> => {
        const name = `late-${late.length}`;
        late.push(name);
        return await createVolume({ name }).catch((error: unknown) => error);
      };
      await expect.poll(attempt, { timeout: 120_000 }).toMatchObject({
        code: status.RESOURCE_EXHAUSTED,
        details: expect.stringContaining(`pool "${pool}" is full`) as string,
      });
    });
    await rados('--pool', pool, 'rm', 'filler');
    await expect
      .poll(() => ceph('osd', 'pool', 'ls', 'detail'), { timeout: 120_000 })
      .not.toMatch(/full_quota/);
    await deleteVolume(volume?.volume_id ?? '');
    for (const name of late) await deleteVolume(`rbd1/${cluster.clusterId}/${pool}/csi-vol-${name}`);
  });
});
