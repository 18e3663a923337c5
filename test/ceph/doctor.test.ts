import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cluster } from './harness/cluster.ts';
import { findPrintedKeys } from './harness/leaks.ts';

const program = join(import.meta.dirname, '../../src/main.ts');
let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-doctor-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Outcome {
  readonly exitCode: number | string | null | undefined;
  readonly output: string;
  /** The lines that begin with `FAIL`, without that. */
  readonly failures: readonly string[];
}

async function runDoctor(...args: readonly string[]): Promise<Outcome> {
  const argv = [program, 'doctor', '--clusters-file', cluster.clustersFile, ...args];
  const outcome = await new Promise<Pick<Outcome, 'exitCode' | 'output'>>(resolve => {
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, output: stdout + stderr });
    });
  });
  expect(findPrintedKeys(outcome.output)).toEqual([]);
  const failures = outcome.output.split('\n').filter(line => line.startsWith('FAIL'));
  return { ...outcome, failures: failures.map(line => line.slice('FAIL  '.length)) };
}

async function writeKey(key: string): Promise<string> {
  const file = join(directory, 'key');
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  return file;
}

const subject = `cluster ${cluster.clusterId}`;
const asDriver = ['--role=controller', '--credentials-dir', cluster.credentialsDirectory];

test('finds nothing to mend in a set-up as the documentation has it', async () => {
  const { replicated, erasureCoded } = cluster.pools;
  const wanted = [`--pools=${replicated},${erasureCoded}`, `--file-systems=${cluster.fsName}`];
  const { exitCode, output, failures } = await runDoctor(...asDriver, ...wanted);
  expect({ exitCode, failures }).toEqual({ exitCode: 0, failures: [] });
  expect(output).toContain(`${subject}, pool ${replicated}: client.csi-driver can list it`);
  expect(output).toContain(`${subject}, file system ${cluster.fsName}: client.csi-driver can list it`);
});

test('tells what this node can do, and why not the rest', async () => {
  const { exitCode, output, failures } = await runDoctor('--role=node');
  expect({ exitCode, failures }).toEqual({ exitCode: 0, failures: [] });
  expect(output).toMatch(/^ok {4}mapping RBD images: by /m);
  expect(output).toMatch(/^ok {4}mounting CephFS: by /m);
  expect(output).toMatch(/^note {2}cluster .* not looked at: no user is known/m);
});

test('fails for a pool and a file system that are not there, naming those that are', async () => {
  const { exitCode, failures } = await runDoctor(...asDriver, '--pools=missing', '--file-systems=missing');
  expect(exitCode).toBe(1);
  expect(failures).toEqual([
    expect.stringMatching(new RegExp(`pool missing: there is no such pool.*${cluster.pools.replicated}`)),
    expect.stringMatching(new RegExp(`file system missing: there is no.*${cluster.fsName}`)),
  ]);
});

test('looks as the user of a Secret: what that one may not do has to be mended when it is asked for', async () => {
  const { userId, key } = cluster.users.rbdProvisioner;
  const asUser = ['--role=controller', `--user=${userId}`, '--key-file', await writeKey(key)];
  expect(await runDoctor(...asUser)).toMatchObject({ exitCode: 0, failures: [] });
  const { exitCode, failures } = await runDoctor(...asUser, `--file-systems=${cluster.fsName}`);
  expect(exitCode).toBe(1);
  expect(failures.join()).toContain(`client.${userId} lacks a capability`);
});

test('tells a key that is refused from monitors that cannot be reached', async () => {
  const other = cluster.users.driver.key;
  const keyFile = await writeKey(other);
  const asWrong = ['--role=controller', `--user=${cluster.users.rbdNode.userId}`, '--key-file', keyFile];
  expect((await runDoctor(...asWrong)).failures.join()).toContain('refused the key of client.');

  const clusters = join(directory, 'clusters.json');
  await writeFile(clusters, JSON.stringify([{ clusterID: 'away', monitors: ['127.0.0.1:1'] }]));
  const { exitCode, failures } = await runDoctor(...asWrong, '--clusters-file', clusters);
  expect(exitCode).toBe(1);
  expect(failures.join()).toContain('the monitors at 127.0.0.1:1 cannot be reached');
});

test('fails for a clusters file that is not there', async () => {
  const { exitCode, failures } = await runDoctor(
    '--role=controller',
    '--clusters-file',
    join(directory, 'no'),
  );
  expect(exitCode).toBe(1);
  expect(failures.join()).toContain('no such file');
});
