import { readFile } from 'node:fs/promises';
import { runProgram } from '../ceph/program.ts';

interface LoopDevice {
  readonly name: string;
  readonly 'back-file': string | null;
}

async function readLoopDevices(): Promise<readonly LoopDevice[]> {
  const output = await runProgram('losetup', ['--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (output.trim() === '') return [];
  return (JSON.parse(output) as { readonly loopdevices: readonly LoopDevice[] }).loopdevices;
}

/** Paths in mountinfo have spaces and backslashes in octal. */
function decodePath(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
}

/**
 * The loop devices of a node. They belong to the whole machine; the node's are those whose file is the very mount
 * point of a mount that the node has: the file that an image is shown as, or the device file of a raw block volume.
 * @param pid a process of the node.
 */
export async function listLoopDevices(pid: number): Promise<readonly string[]> {
  const lines = (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).trimEnd().split('\n');
  const mountPoints = new Set(lines.map(line => decodePath(line.split(' ')[4] ?? '')));
  const devices = await readLoopDevices();
  return devices.filter(device => mountPoints.has(device['back-file'] ?? '')).map(device => device.name);
}

/** Gives the devices free. One whose user is just ending goes with the user. */
export async function detachLoopDevices(devices: readonly string[]): Promise<void> {
  for (const device of devices) {
    await runProgram('losetup', ['--detach', device]).catch((error: unknown) => {
      // Without a file (ENXIO) it is free already.
      if (!(error instanceof Error) || !error.message.includes('No such device or address')) throw error;
    });
  }
}
