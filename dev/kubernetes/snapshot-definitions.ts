import { existsSync } from 'node:fs';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../ceph/program.ts';
import { cacheDirectory } from './places.ts';

const module = 'github.com/kubernetes-csi/external-snapshotter/client/v8';

/** The files of the CustomResourceDefinitions of snapshots, of the release that csi-snapshotter is built with. */
export async function listSnapshotDefinitions(): Promise<readonly string[]> {
  const directory = join(cacheDirectory, 'snapshot-definitions');
  if (!existsSync(directory)) {
    const cwd = join(cacheDirectory, 'modules/snapshotter');
    const source = (await runProgram('go', ['list', '-m', '-f', '{{.Dir}}', module], { cwd })).trim();
    await cp(join(source, 'config/crd'), directory, { recursive: true });
  }
  const files = await readdir(directory);
  return files.filter(file => /storage\.k8s\.io_.*\.yaml$/.test(file)).map(file => join(directory, file));
}
