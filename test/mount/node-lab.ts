import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'vitest';
import { createExec } from '../../src/exec/run.ts';
import type { Host } from '../../src/mount/host.ts';
import type { FormatMark } from '../../src/mount/format.ts';
import { parseMounts } from '../../src/mount/mountinfo.ts';
import { createTestContext } from '../exec/fake-exec.ts';

const MIB = 1024 * 1024;

/** A loop device and the file behind it. */
export interface Disk {
  readonly device: string;
  readonly file: string;
}

/** A directory, and what tests mount and attach below it on the machine that they run on. */
export interface NodeLab {
  readonly directory: string;
  readonly host: Host;
  /** A loop device over a new sparse file. */
  readonly createDevice: (mebibytes: number) => Disk;
  /** Makes the file of a device larger, and the device with it. */
  readonly enlarge: (disk: Disk, mebibytes: number) => void;
}

export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function createLab(): NodeLab {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'csi-driver-ceph mount ')));
  let files = 0;
  return {
    directory,
    host: { exec: createExec(), context: createTestContext() },
    createDevice(mebibytes) {
      files += 1;
      const file = join(directory, `disk ${String(files)}`);
      writeFileSync(file, '');
      truncateSync(file, mebibytes * MIB);
      return { file, device: run('losetup', '--find', '--show', file).trim() };
    },
    enlarge({ device, file }, mebibytes) {
      truncateSync(file, mebibytes * MIB);
      run('losetup', '--set-capacity', device);
    },
  };
}

/** Takes away everything below the lab's directory, without the code that is tested. */
function removeLab({ directory }: NodeLab): void {
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  for (const { path } of mounts.toReversed()) {
    if (path.startsWith(`${directory}/`)) spawnSync('umount', ['--no-canonicalize', '--lazy', path]);
  }
  for (const name of readdirSync('/sys/block').filter(device => device.startsWith('loop'))) {
    const backing = `/sys/block/${name}/loop/backing_file`;
    if (existsSync(backing) && readFileSync(backing, 'utf8').startsWith(`${directory}/`)) {
      spawnSync('losetup', ['--detach', `/dev/${name}`]);
    }
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** Why this machine cannot mount and attach loop devices, or undefined when it can. */
function findObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  const loop = spawnSync('losetup', ['--find'], { encoding: 'utf8' });
  return loop.status === 0 ? undefined : `no loop device: ${loop.stderr.trim()}`;
}

/**
 * Tests that mount for real, each with a lab of its own that is taken away afterwards. Where the machine cannot,
 * they are skipped saying why; in CI that is a failure.
 */
export function describeOnNode(name: string, tests: (lab: () => NodeLab) => void): void {
  const obstacle = findObstacle();
  if (obstacle === undefined) {
    describe(name, () => {
      let current: NodeLab | undefined;
      afterEach(() => {
        if (current !== undefined) removeLab(current);
        current = undefined;
      });
      tests(() => (current ??= createLab()));
    });
  } else if (process.env['CI'] === 'true') {
    it(`${name}: cannot be tested here`, () => {
      throw new Error(obstacle);
    });
  } else {
    describe.skip(`${name} (${obstacle})`, () => {
      tests(createLab);
    });
  }
}

/** A format mark that remembers, as an image's metadata does. */
export function createMark(initial = false): FormatMark & { readonly isSetNow: () => boolean } {
  let isSet = initial;
  const change = (value: boolean) => () => {
    isSet = value;
    return Promise.resolve();
  };
  return {
    isSet: () => Promise.resolve(isSet),
    set: change(true),
    clear: change(false),
    isSetNow: () => isSet,
  };
}
