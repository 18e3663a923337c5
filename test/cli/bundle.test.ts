import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeBundle } from '../../dev/bundle.ts';
import { startDriver, type DriverProcess } from '../../dev/driver/process.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { csi } from '../../src/grpc/contract.ts';

/** Milliseconds for a driver to start, or a bundle to be made, on a busy machine. */
const BOUND = 180_000;

// Outside of the project, where no module of it is found by chance.
let directory = '';
let program = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'csi-driver-ceph-bundle-'));
  await writeBundle(join(directory, 'program'));
  program = join(directory, 'program/main.mjs');
}, BOUND);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the bundle as an image does: it is executable itself. */
async function run(...args: readonly string[]) {
  return await new Promise<{ exitCode: unknown; stdout: string; stderr: string }>(resolve => {
    execFile(program, args, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

async function start(role: string, ...flags: readonly string[]): Promise<DriverProcess> {
  const home = join(directory, role);
  const cluster = { clustersFile: join(home, 'config.json'), credentialsDirectory: join(home, 'keys') };
  await mkdir(cluster.credentialsDirectory, { recursive: true });
  await writeFile(cluster.clustersFile, '[{"clusterID": "a", "monitors": ["192.0.2.1:6789"]}]');
  return await startDriver({ cluster, directory: home, program, flags: ['--role', role, ...flags] });
}

describe('the bundled program, without a node_modules', () => {
  it('tells its commands, options and version', { timeout: BOUND }, async () => {
    expect(await run('--help')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Usage: csi-driver-ceph COMMAND') as string,
    });
    expect(await run('serve', '--help')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('--rbd-endpoint') as string,
    });
    const stdout = `csi-driver-ceph ${packageJson.version}\n`;
    expect(await run('version')).toEqual({ exitCode: 0, stdout, stderr: '' });
  });

  it('names an option that is wrong', { timeout: BOUND }, async () => {
    expect(await run('serve', '--role', 'both')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'csi-driver-ceph serve: --role: "both" is not one of controller, node, all\n',
    });
  });

  it('serves as controller, with 64-bit numbers that are exact', { timeout: BOUND }, async () => {
    const driver = await start('controller', '--metrics-address', '127.0.0.1:0');
    try {
      const info = await driver.rbd.call(csi.Identity.GetPluginInfo, {});
      expect(info).toMatchObject({ name: 'rbd.csi-driver-ceph.io', vendor_version: packageJson.version });
      const { capabilities } = await driver.cephfs.call(csi.Controller.ControllerGetCapabilities, {});
      expect(capabilities).toContainEqual({ rpc: { type: 'CREATE_DELETE_VOLUME' }, type: 'rpc' });
      // No number of JavaScript.
      const bytes = '-9007199254740993';
      const request = {
        name: 'pvc-a',
        capacity_range: { limit_bytes: bytes },
        volume_capabilities: [{ mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } }],
      };
      await expect(driver.rbd.call(csi.Controller.CreateVolume, request)).rejects.toThrow(
        `capacity_range.limit_bytes: ${bytes} is negative`,
      );
      const url = /"url":"([^"]+)"/.exec(driver.output())?.[1] ?? '';
      expect(await (await fetch(url)).text()).toContain('csi_driver_ceph_build_info{');
    } finally {
      expect(await driver.stop()).toBe(0);
    }
  });

  it('serves as node', { timeout: BOUND }, async () => {
    const driver = await start('node', '--node-id', 'worker-a');
    try {
      expect(await driver.rbd.call(csi.Node.NodeGetInfo, {})).toMatchObject({ node_id: 'worker-a' });
      expect(await driver.cephfs.call(csi.Node.NodeGetInfo, {})).toMatchObject({ node_id: 'worker-a' });
      await expect(driver.rbd.call(csi.Controller.ControllerGetCapabilities, {})).rejects.toThrow(
        'UNIMPLEMENTED',
      );
    } finally {
      expect(await driver.stop()).toBe(0);
    }
  });
});
