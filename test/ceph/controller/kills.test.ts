import { expect, it } from 'vitest';
import { cluster, listImages, listTrash, restartOsds } from '../harness/cluster.ts';
import {
  createChance,
  createController,
  createKillingExec,
  eventually,
  runsKills,
  useController,
} from './fixture.ts';

const controller = useController();

/** Runs `work` for 0 to `count` - 1, some side by side. */
async function repeat(count: number, work: (index: number) => Promise<void>): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (const index of indexes) await work(index);
    }),
  );
}

it.runIf(runsKills)(
  'makes exactly one image of a volume whose programs are killed a hundred times',
  { timeout: 1_500_000 },
  async () => {
    await repeat(100, async index => {
      const shaky = createController(createKillingExec(createChance(index)));
      const name = `killed-${index}`;
      await shaky.create(name).catch(() => undefined);
      await shaky.create(name).catch(() => undefined);
      const volume = await eventually(() => controller.create(name));
      expect(volume.volumeId).toBe(`rbd1/${cluster.clusterId}/${cluster.pools.replicated}/csi-vol-${name}`);
      expect((await listImages()).filter(image => image.endsWith(name))).toEqual([`csi-vol-${name}`]);

      await shaky.remove(volume).catch(() => undefined);
      await shaky.drain();
      await eventually(() => controller.remove(volume));
      expect((await listImages()).filter(image => image.endsWith(name))).toEqual([]);
    });
    await restartOsds(); // Releases before 17.2.8 and 18.2.5 list some killed clients as watchers for ever.
    createController().start();
    await eventually(async () => expect(await listTrash()).toEqual([]));
  },
);

it.runIf(runsKills)(
  'restores and clones volumes whatever programs are killed',
  { timeout: 1_500_000 },
  async () => {
    await repeat(30, async index => {
      // A program that is killed while it makes a snapshot leaves the source locked for 30 s.
      const source = await controller.create(`source-${index}`);
      const original = await eventually(() => controller.snapshot(`original-${index}`, source));
      const shaky = createController(createKillingExec(createChance(1000 + index)));
      const name = `copied-${index}`;
      const from =
        index % 2 === 0
          ? ({ type: 'snapshot', snapshotId: original.snapshotId } as const)
          : ({ type: 'volume', volumeId: source.volumeId } as const);
      await shaky.create(name, from).catch(() => undefined);
      const volume = await eventually(() => controller.create(name, from));
      await shaky.snapshot(`of-${name}`, volume).catch(() => undefined);
      const taken = await eventually(() => controller.snapshot(`of-${name}`, volume));
      await shaky.remove(volume).catch(() => undefined);
      await eventually(() => controller.remove(volume));
      await shaky.removeSnapshot(taken).catch(() => undefined);
      await shaky.drain();
      await eventually(() => controller.removeSnapshot(taken));
      await eventually(() => controller.removeSnapshot(original));
      await eventually(() => controller.remove(source));
    });
    await restartOsds();
    createController().start();
  },
);
