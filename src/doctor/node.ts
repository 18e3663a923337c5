import { createFuseMounter } from '../cephfs/mounters/fuse.ts';
import { createKernelMounter } from '../cephfs/mounters/kernel.ts';
import type { Exec } from '../exec/command.ts';
import type { Context } from '../model/call.ts';
import { FILE_SYSTEM_TYPES } from '../mount/file-system-type.ts';
import { DEFAULT_FEATURES } from '../rbd/features.ts';
import { findMissingProgram } from '../rbd/node/mappers/kernel-module.ts';
import { createMappers } from '../rbd/node/backend.ts';
import type { Finding } from './finding.ts';

export interface NodeQuestions {
  readonly exec: Exec;
  readonly stateDir: string;
  /** Those that the driver is told to use; `auto`: any. */
  readonly mapper: string;
  readonly mounter: string;
}

type Findings = AsyncGenerator<Finding, void, undefined>;

/** A way to map or to mount. */
interface Way {
  readonly name: string;
  readonly findObstacle: () => Promise<string | undefined>;
}

/** Each way, and whether one of those that will do is possible. */
async function* examineWays(purpose: string, wanted: string, ways: readonly Way[]): Findings {
  let chosen: string | undefined;
  for (const { name, findObstacle } of ways) {
    const obstacle = await findObstacle();
    const will = wanted === 'auto' || wanted === name;
    if (obstacle === undefined && will) chosen ??= name;
    yield {
      state: obstacle === undefined ? 'ok' : 'note',
      subject: `${purpose} by ${name}`,
      text: obstacle ?? 'possible',
    };
  }
  yield chosen === undefined
    ? { state: 'failed', subject: purpose, text: `this node cannot do it by "${wanted}"` }
    : { state: 'ok', subject: purpose, text: `by ${chosen}, where the StorageClass names no mounter` };
}

async function* examineFileSystemTools(): Findings {
  for (const type of FILE_SYSTEM_TYPES) {
    const missing = await findMissingProgram(`mkfs.${type}`);
    // What a class without fstype asks for.
    const otherwise = type === 'ext4' ? 'failed' : 'note';
    yield {
      state: missing === undefined ? 'ok' : otherwise,
      subject: `file system ${type}`,
      text: missing ?? 'can be made',
    };
  }
}

/** Looks at what this node can do with volumes; it has to run where the node plugin does. */
export async function* examineNode(questions: NodeQuestions, context: Context): Findings {
  const { exec, mapper, mounter } = questions;
  const mappers = createMappers(questions).map(one => ({
    name: one.name,
    findObstacle: () =>
      one.findObstacle({ features: DEFAULT_FEATURES, listLimits: () => Promise.resolve([]) }, context),
  }));
  yield* examineWays('mapping RBD images', mapper, mappers);
  const mounters = [createKernelMounter(exec), createFuseMounter()].map(one => ({
    name: one.name,
    findObstacle: () => one.findObstacle(context),
  }));
  yield* examineWays('mounting CephFS', mounter, mounters);
  yield* examineFileSystemTools();
}
