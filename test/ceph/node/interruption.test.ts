import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isErrorOfKind } from '../../../src/model/errors.ts';
import type { NodeBackend, StageRequest } from '../../../src/model/node-backend.ts';
import { clients } from '../harness/clients.ts';
import { withHangingOsds } from '../harness/cluster.ts';
import { killAfterEachProgram } from '../harness/mortal-driver.ts';
import { context, countWatchers, otherPath, run, useNode, type TestVolume } from './fixture.ts';

const node = useNode();

/** Repeats as kubelet does, for as long as Ceph lists a client that died. */
async function stageEventually(backend: NodeBackend, request: StageRequest): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await backend.stageVolume(request, context());
      return;
    } catch (error) {
      if (!isErrorOfKind(error, 'failed-precondition') || attempt === 60) throw error;
      await sleep(1000);
    }
  }
}

/** Kills the process behind a volume's device; both programs have the image's name among their arguments. */
async function killDaemon({ image }: TestVolume): Promise<void> {
  const pids = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name));
  for (const pid of pids) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/^(?:[^\0]*\/)?(?:qemu-storage-daemon|rbd-nbd)\0/.test(command) && command.includes(image)) {
      process.kill(Number(pid), 'SIGKILL');
    }
  }
}

async function readKept(volume: TestVolume): Promise<string> {
  return await readFile(join(volume.stagingPath, 'file'), 'utf8');
}

describe('a driver that is killed', () => {
  it('after any program of a first stage leaves what the next one completes', async () => {
    let volume = await node.createVolume('64M');
    const programs = await killAfterEachProgram(
      node.start,
      async backend => await backend.stageVolume(volume.stage(), context()),
      async () => {
        await stageEventually(node.start(), volume.stage());
        await writeFile(join(volume.stagingPath, 'file'), 'kept');
        await node.start().unstageVolume(volume.unstage, context());
        // The next death is that of a first stage again.
        volume = await node.createVolume('64M');
      },
    );
    expect(programs).toBeGreaterThan(8);
    await node.start().unstageVolume(volume.unstage, context());
  }, 600_000);

  it('after any program of a later stage leaves what unstaging cleans', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await node.start().unstageVolume(volume.unstage, context());
    const programs = await killAfterEachProgram(
      node.start,
      async backend => await backend.stageVolume(volume.stage(), context()),
      async () => {
        await node.start().unstageVolume(volume.unstage, context());
        expect(await countWatchers(volume.image)).toBe(0);
      },
    );
    expect(programs).toBeGreaterThan(5);
    expect(await readKept(volume)).toBe('kept');
    await node.start().unstageVolume(volume.unstage, context());
  });

  it.each(['ext4', 'block'] as const)(
    'after any program of unstaging (%s) leaves what the next one ends',
    async type => {
      const volume = await node.createVolume('64M');
      const stage = async () => await node.start().stageVolume(volume.stage({ type }), context());
      await stage();
      const programs = await killAfterEachProgram(
        node.start,
        async backend => await backend.unstageVolume(volume.unstage, context()),
        async () => {
          await node.start().unstageVolume(volume.unstage, context());
          expect(await countWatchers(volume.image)).toBe(0);
          await stage();
        },
      );
      expect(programs).toBeGreaterThan(1);
      expect(await countWatchers(volume.image)).toBe(0);
    },
  );
});

describe.skipIf(clients.mapper === 'krbd')('a daemon that dies', () => {
  it('is reported, and replaced by the next stage, with all that was written', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await run('sync', '--file-system', volume.stagingPath);
    await killDaemon(volume);
    await expect
      .poll(async () => await node.start().checkVolume?.(volume.unstage, context()), { timeout: 30_000 })
      .toMatchObject({
        abnormal: true,
        message: expect.stringMatching(/has died|not mapped any more/) as unknown,
      });
    await stageEventually(node.start(), volume.stage());
    expect(await readKept(volume)).toBe('kept');
    expect(await node.start().checkVolume?.(volume.unstage, context())).toBeUndefined();
    await node.start().unstageVolume(volume.unstage, context());
  });

  it('does not keep a volume from being unstaged', async () => {
    const volume = await node.createVolume('64M');
    await node.start().stageVolume(volume.stage(), context());
    await killDaemon(volume);
    await node.start().unstageVolume(volume.unstage, context());
  });
});

describe('a second node', () => {
  it('is refused while the first one writes, and told who that is', async () => {
    const volume = await node.createVolume('64M');
    const there = { ...volume.stage(), stagingPath: otherPath(volume.stagingPath) };
    await node.start().stageVolume(volume.stage(), context());
    await expect(node.start({ other: true }).stageVolume(there, context())).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/in use at [\d.]+:\d+\/\d+/) as unknown,
    });
    await writeFile(join(volume.stagingPath, 'file'), 'kept');
    await node.start().unstageVolume(volume.unstage, context());
    await node.start({ other: true }).stageVolume(there, context());
    expect(await readFile(join(there.stagingPath, 'file'), 'utf8')).toBe('kept');
    await node
      .start({ other: true })
      .unstageVolume({ ...volume.unstage, stagingPath: there.stagingPath }, context());
  });

  it('that stages at the same moment does not write, too', async () => {
    const volume = await node.createVolume('64M');
    const path = otherPath(volume.stagingPath);
    const results = await Promise.allSettled([
      node.start().stageVolume(volume.stage(), context()),
      node.start({ other: true }).stageVolume({ ...volume.stage(), stagingPath: path }, context()),
    ]);
    const staged = results.filter(({ status }) => status === 'fulfilled').length;
    expect(staged).toBeLessThan(2);
    await expect.poll(async () => await countWatchers(volume.image), { timeout: 60_000 }).toBe(staged);
    await node.start().unstageVolume(volume.unstage, context());
    await node.start({ other: true }).unstageVolume({ ...volume.unstage, stagingPath: path }, context());
  });
});

// The daemons cannot be stopped from within a guest, where the kernel's clients are tested.
describe.runIf(clients.mapper === 'fuse')('a cluster that does not answer', () => {
  it('lets a stage end with its deadline, and the next one succeed', async () => {
    const volume = await node.createVolume('64M');
    await withHangingOsds(async () => {
      const signal = AbortSignal.timeout(3_000);
      await expect(node.start().stageVolume(volume.stage(), context(signal))).rejects.toThrow();
    });
    await stageEventually(node.start(), volume.stage());
    await node.start().unstageVolume(volume.unstage, context());
  });
});

describe('many volumes', () => {
  it('are staged and unstaged side by side', async () => {
    const volumes = [];
    for (let count = 0; count < 6; count += 1) volumes.push(await node.createVolume('64M'));
    const backend = node.start();
    await Promise.all(volumes.map(async volume => await backend.stageVolume(volume.stage(), context())));
    for (const volume of volumes) await writeFile(join(volume.stagingPath, 'file'), volume.image);
    for (const volume of volumes) expect(await readKept(volume)).toBe(volume.image);
    await Promise.all(volumes.map(async volume => await backend.unstageVolume(volume.unstage, context())));
  });
});
