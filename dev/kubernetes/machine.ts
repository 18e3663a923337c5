import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import { createControlGroups, removeControlGroups } from './control-group.ts';
import { detachLoopDevices, listLoopDevices } from './loop-devices.ts';
import { NODE_NAME, type Node } from './node.ts';
import { binDirectory, storeDirectory } from './places.ts';
import { waitFor } from './waiting.ts';

const init = join(import.meta.dirname, 'init.sh');

function pidFile(directory: string): string {
  return join(directory, 'init.pid');
}

async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}

/** The node's first process as the host numbers it, or undefined when the node is not up. */
export async function findInit(directory: string): Promise<number | undefined> {
  const pid = Number(await readText(pidFile(directory)));
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const environment = (await readText(`/proc/${pid}/environ`)).split('\0');
  return environment.includes(`DIRECTORY=${directory}`) ? pid : undefined;
}

/** The argv that runs a program on the node. */
function onNode(pid: number, args: readonly string[]): readonly [string, string[]] {
  return ['nsenter', [`--target=${pid}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--', ...args]];
}

async function requireInit(node: Node): Promise<number> {
  const pid = await findInit(node.directory);
  if (pid === undefined) throw new Error(`the node "${node.name}" is not up`);
  return pid;
}

/** Runs a program on the node to its end, and resolves to what it printed. */
export async function runOnNode(node: Node, args: readonly string[]): Promise<string> {
  const [program, rest] = onNode(await requireInit(node), args);
  return await runProgram(program, rest, { timeout: 600_000, env: nodeEnvironment() });
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  return { PATH: [binDirectory, process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(':') };
}

/** Starts a program that runs as long as the node does; what it prints goes to `log/NAME.log`. */
export async function startOnNode(node: Node, name: string, args: readonly string[]): Promise<void> {
  // The program's memory and processor count for the node's group, not for whoever brought it up.
  const enter =
    'for procs in /sys/fs/cgroup/*/"$0"/system/cgroup.procs; do echo 0 >"$procs"; done; exec setsid "$@"';
  const wrapped = ['sh', '-c', enter, node.controlGroup, ...args];
  const [program, rest] = onNode(await requireInit(node), wrapped);
  const output = openSync(join(node.directory, 'log', `${name}.log`), 'a');
  const child = spawn(program, rest, {
    detached: true,
    stdio: ['ignore', output, output],
    env: nodeEnvironment(),
  });
  closeSync(output);
  if (child.pid === undefined) throw new Error(`${name} could not be started`);
  child.unref();
}

async function findChild(pid: number): Promise<number | undefined> {
  const [child] = (await readText(`/proc/${pid}/task/${pid}/children`)).split(' ');
  return child === undefined || child === '' ? undefined : Number(child);
}

async function startInit(node: Node): Promise<number> {
  const store = storeDirectory(node.name);
  await Promise.all(
    [store, join(node.directory, 'log'), join(node.directory, 'run')].map(directory =>
      mkdir(directory, { recursive: true }),
    ),
  );
  const output = openSync(join(node.directory, 'log/init.log'), 'a');
  const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc'];
  const options = ['--fork', '--kill-child', '--mount-proc', '--propagation=private', ...namespaces];
  const parent = spawn('unshare', [...options, 'sh', init], {
    detached: true,
    stdio: ['ignore', output, output],
    env: {
      ...process.env,
      DIRECTORY: node.directory,
      IMAGE_STORE: store,
      CONTROL_GROUP: node.controlGroup,
      NODE_NAME,
    },
  });
  closeSync(output);
  parent.unref();
  const { pid } = parent;
  if (pid === undefined) throw new Error('unshare could not be started');
  const child = await waitFor('a node with namespaces of its own', () => findChild(pid));
  await writeFile(pidFile(node.directory), `${child}\n`);
  await waitFor(`the node's file system (${join(node.directory, 'log/init.log')})`, () =>
    existsSync(join(node.directory, 'ready')),
  );
  return child;
}

/** A wire between the host and the node; the host knows the way to the node's Pods. */
async function connect(node: Node, pid: number): Promise<void> {
  const ip = (...args: string[]) => runProgram('ip', args);
  await ip('link', 'add', node.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  await ip('addr', 'add', `${node.hostAddress}/30`, 'dev', node.link);
  await ip('link', 'set', node.link, 'up');
  await runOnNode(node, ['ip', 'addr', 'add', `${node.address}/30`, 'dev', 'eth0']);
  await runOnNode(node, ['ip', 'link', 'set', 'eth0', 'up']);
  await runOnNode(node, ['ip', 'route', 'add', 'default', 'via', node.hostAddress]);
  await runOnNode(node, ['ip', 'addr', 'add', `${node.serviceAddress}/32`, 'dev', 'lo']);
  await runOnNode(node, ['sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1']);
  await ip('route', 'add', node.podNetwork, 'via', node.address);
}

/** Makes the namespaces of a node, with its file system, its cgroups and its network. */
export async function createMachine(node: Node): Promise<void> {
  await createControlGroups(node.controlGroup);
  await connect(node, await startInit(node));
}

async function listProcesses(controlGroup: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name));
  const groups = await Promise.all(pids.map(pid => readText(`/proc/${pid}/cgroup`)));
  return pids.filter((_, index) => groups[index]?.includes(`:/${controlGroup}/`) === true);
}

/** Ends all processes of a node, and removes what it had of this machine. */
export async function removeMachine(node: Node): Promise<void> {
  const pid = await findInit(node.directory);
  if (pid !== undefined) {
    const devices = await listLoopDevices(pid);
    // The kernel ends all others of the namespace, and with the last one its mounts and its network go.
    process.kill(pid, 'SIGKILL');
    await waitFor('end of the node', () => !existsSync(`/proc/${pid}`));
    await waitFor(
      'end of all processes of the node',
      async () => (await listProcesses(node.controlGroup)).length === 0,
    );
    await detachLoopDevices(devices);
  }
  await rm(pidFile(node.directory), { force: true });
  await runProgram('ip', ['link', 'del', node.link]).catch(() => undefined);
  await removeControlGroups(node.controlGroup);
}
