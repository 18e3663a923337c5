import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOnNode, startOnNode } from './machine.ts';
import type { Node } from './node.ts';
import { waitFor } from './waiting.ts';

export const SOCKET = '/run/containerd/containerd.sock';
export const PAUSE_IMAGE = 'lab.invalid/pause:1';

/** Debian's package containernetworking-plugins. */
const pluginDirectory = '/usr/lib/cni';

const cri = "'io.containerd.cri.v1";

/** Root may lack the right to make a process less likely to be killed, and there may be no AppArmor. */
function formatConfiguration(node: Node): string {
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'

[grpc]
address = '${SOCKET}'

[plugins.${cri}.images'.pinned_images]
sandbox = '${PAUSE_IMAGE}'

[plugins.${cri}.runtime']
disable_apparmor = true
restrict_oom_score_adj = true

[plugins.${cri}.runtime'.cni]
bin_dirs = ['${pluginDirectory}']
conf_dir = '${join(node.directory, 'networks')}'

[plugins.${cri}.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.${cri}.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
`;
}

/** Pods on a bridge. They keep their addresses when they talk to the host, which knows the way back. */
function formatNetwork(node: Node): string {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: node.podNetwork }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: 'pods', isGateway: true, hairpinMode: true, ipam };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge] });
}

/** Starts containerd and waits until it answers. */
export async function startContainerRuntime(node: Node): Promise<void> {
  const configuration = join(node.directory, 'containerd.toml');
  await mkdir(join(node.directory, 'networks'), { recursive: true });
  await writeFile(configuration, formatConfiguration(node));
  await writeFile(join(node.directory, 'networks/pods.conflist'), formatNetwork(node));
  await startOnNode(node, 'containerd', ['containerd', '--config', configuration]);
  await waitFor('containerd', async () => {
    await runOnNode(node, ['ctr', '--address', SOCKET, 'version']);
    return true;
  });
}
