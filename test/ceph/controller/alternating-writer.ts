import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { runInRelease } from '../../../dev/ceph/program.ts';
import { cluster } from '../harness/cluster.ts';

/** Runs in the Python that belongs to the release's `rbd`. */
const OPEN = `
import rados, rbd, select, struct, sys
cluster = rados.Rados(rados_id='admin', conffile=sys.argv[1])
cluster.connect()
ioctx = cluster.open_ioctx(sys.argv[2])
`;

/** Writes 1 into the first image, then into the second, then 2 into the first…, each on the OSDs before the next. */
const WRITE = `${OPEN}
images = [rbd.Image(ioctx, name) for name in sys.argv[3:]]
number = 0
# It ends with its standard input. A client that is killed would be a watcher for another 30 s.
while not select.select([sys.stdin], [], [], 0)[0]:
    number += 1
    for image in images:
        image.write(struct.pack('<Q', number), 0)
        image.flush()
    if number == 1:
        print('writing', flush=True)
for image in images:
    image.close()
`;

const READ = `${OPEN}
for name in sys.argv[3:]:
    with rbd.Image(ioctx, name, read_only=True) as image:
        print(struct.unpack('<Q', image.read(0, 8))[0])
`;

function argumentsOf(program: string, pool: string, images: readonly string[]): readonly string[] {
  return ['-c', program, cluster.conf, pool, ...images];
}

/** Writes a counter into two images in turn, as fast as it can; resolves when both have the first number. */
export async function startAlternatingWriter(
  pool: string,
  images: readonly [string, string],
): Promise<{ stop(): Promise<void> }> {
  const child = spawn('python3', argumentsOf(WRITE, pool, images), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const first = once(createInterface({ input: child.stdout }), 'line');
  await Promise.race([first, ended.then(() => Promise.reject(new Error('the writer ended')))]);
  return {
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** The number that each of the images has. */
export async function readCounters(pool: string, images: readonly string[]): Promise<readonly number[]> {
  const text = await runInRelease(cluster, 'python3', argumentsOf(READ, pool, images));
  return text.trim().split('\n').map(Number);
}
