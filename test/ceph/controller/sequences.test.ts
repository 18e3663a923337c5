import fc from 'fast-check';
import { tmpdir } from 'node:os';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MIB } from '../../../src/model/bytes.ts';
import type { Snapshot, Volume, VolumeSource } from '../../../src/model/volume.ts';
import { cluster, listImages, listTrash, rbd, restartOsds } from '../harness/cluster.ts';
import {
  createCall,
  createChance,
  createController,
  createDyingServers,
  createKillingExec,
  eventually,
  runsKills,
  secrets,
  SIZE,
  specOf,
  useController,
  type TestController,
} from './fixture.ts';
import { hashImage } from './image-content.ts';
import { chooseChanges, writeDiffFile } from './image-writes.ts';

const controller = useController();
const KINDS = [
  'create',
  'snapshot',
  'restore',
  'clone',
  'expand',
  'delete volume',
  'delete snapshot',
] as const;

/**
 * One call; `pick` chooses what it is for, `killSeed` when which of its programs are killed at a first attempt, those that
 * hold the connections to the cluster or those that run a command each.
 */
interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly pick: number;
  readonly killSeed: number | null;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  pick: fc.nat(),
  killSeed: runsKills ? fc.option(fc.nat()) : fc.constant(null),
});

interface KnownVolume {
  readonly volume: Volume;
  readonly sizeBytes: bigint;
  readonly content: string;
}

interface KnownSnapshot {
  readonly snapshot: Snapshot;
  readonly content: string;
}

/** What there has to be after the steps so far. */
interface Model {
  readonly run: number;
  names: number;
  readonly volumes: Map<string, KnownVolume>;
  readonly snapshots: Map<string, KnownSnapshot>;
}

function pickFrom<T>(items: ReadonlyMap<string, T>, pick: number): readonly [string, T] | undefined {
  return [...items][pick % Math.max(1, items.size)];
}

/** A call whose programs are killed at first, maybe, and that is then repeated until it succeeds. */
async function call<T>({ killSeed }: Step, action: (to: TestController) => Promise<T>): Promise<T> {
  if (killSeed !== null) {
    const chance = createChance(killSeed);
    const shaky =
      killSeed % 2 === 0
        ? createController(createKillingExec(chance))
        : createController(undefined, {}, createDyingServers(chance));
    await action(shaky).catch(() => undefined);
    await shaky.drain();
  }
  return eventually(() => action(controller));
}

async function writeContent(image: string, seed: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'csi-sequence-'));
  try {
    const file = join(directory, 'diff');
    await writeDiffFile(file, Number(SIZE), chooseChanges(seed, Number(SIZE), 4));
    await rbd('import-diff', '--no-progress', file, `${cluster.pools.replicated}/${image}`);
  } finally {
    await rm(directory, { recursive: true });
  }
  return hashImage(image);
}

async function addVolume(
  model: Model,
  current: Step,
  source?: VolumeSource,
  content?: string,
): Promise<void> {
  const name = `run-${model.run}-${model.names++}`;
  const spec = source === undefined ? specOf(name) : specOf(name, { source, capacity: {} });
  const volume = await call(current, to => to.createVolume(spec, createCall()));
  const held = content ?? (await writeContent(`csi-vol-${name}`, current.pick));
  model.volumes.set(name, { volume, sizeBytes: volume.capacityBytes, content: held });
}

async function takeStep(model: Model, current: Step): Promise<void> {
  const [volumeName, known] = pickFrom(model.volumes, current.pick) ?? [];
  const [snapshotName, taken] = pickFrom(model.snapshots, current.pick) ?? [];
  switch (current.kind) {
    case 'create':
      return addVolume(model, current);
    case 'snapshot': {
      if (known === undefined) return;
      const name = `run-${model.run}-${model.names++}`;
      const snapshot = await call(current, to => to.snapshot(name, known.volume));
      model.snapshots.set(name, { snapshot, content: known.content });
      return;
    }
    case 'restore':
      if (taken === undefined) return;
      return addVolume(
        model,
        current,
        { type: 'snapshot', snapshotId: taken.snapshot.snapshotId },
        taken.content,
      );
    case 'clone':
      if (known === undefined) return;
      return addVolume(model, current, { type: 'volume', volumeId: known.volume.volumeId }, known.content);
    case 'expand': {
      if (volumeName === undefined || known === undefined) return;
      const sizeBytes = known.sizeBytes + 32n * MIB;
      const request = { volumeId: known.volume.volumeId, secrets, capacity: { requiredBytes: sizeBytes } };
      const result = await call(current, to => to.expandVolume(request, createCall()));
      expect(result.capacityBytes).toBe(sizeBytes);
      model.volumes.set(volumeName, { ...known, sizeBytes });
      return;
    }
    case 'delete volume':
      if (volumeName === undefined || known === undefined) return;
      await call(current, to => to.remove(known.volume));
      model.volumes.delete(volumeName);
      return;
    case 'delete snapshot':
      if (snapshotName === undefined || taken === undefined) return;
      await call(current, to => to.removeSnapshot(taken.snapshot));
      model.snapshots.delete(snapshotName);
  }
}

async function expectAsModelled({ run, volumes }: Model): Promise<void> {
  const images = (await listImages()).filter(name => name.startsWith(`csi-vol-run-${run}-`));
  expect(images).toEqual([...volumes.keys()].map(name => `csi-vol-${name}`).sort());
  for (const [name, { sizeBytes, content }] of volumes) {
    const info = await rbd('info', '--format', 'json', `${cluster.pools.replicated}/csi-vol-${name}`);
    expect(JSON.parse(info), name).toMatchObject({ size: Number(sizeBytes) });
    expect(await hashImage(`csi-vol-${name}`), name).toBe(content);
  }
}

/** Deletes all that is left, snapshots and volumes in turns. */
async function removeAll(model: Model): Promise<void> {
  const volumes = [...model.volumes.values()].map(
    ({ volume }) =>
      () =>
        controller.remove(volume),
  );
  const snapshots = [...model.snapshots.values()].map(
    ({ snapshot }) =>
      () =>
        controller.removeSnapshot(snapshot),
  );
  const turns = Math.max(volumes.length, snapshots.length);
  for (let turn = 0; turn < turns; turn++) {
    for (const remove of [volumes[turn], snapshots[turn]]) {
      if (remove !== undefined) await eventually(remove);
    }
  }
}

/** Always the same sequences, so that a failure is not by chance; another SEQUENCE_SEED makes others. */
const seed = Number(process.env['SEQUENCE_SEED'] ?? 20);

it(
  'holds what it was told to hold after any sequence of calls, some killed',
  { timeout: 1_500_000 },
  async () => {
    let runs = 0;
    const sequences = fc.array(step, { minLength: 12, maxLength: 24 });
    const property = fc.asyncProperty(sequences, async steps => {
      const model: Model = { run: runs++, names: 0, volumes: new Map(), snapshots: new Map() };
      await addVolume(model, { kind: 'create', pick: model.run, killSeed: null });
      for (const current of steps) await takeStep(model, current);
      await expectAsModelled(model);
      await removeAll(model);
    });
    await fc.assert(property, { seed, numRuns: 4, endOnFailure: true });
    await restartOsds(); // Releases before 17.2.8 and 18.2.5 list some killed clients as watchers for ever.
    createController().start();
    await eventually(async () => {
      expect((await listImages()).filter(name => name.includes('run-'))).toEqual([]);
      expect(await listTrash()).toEqual([]);
    });
  },
);
