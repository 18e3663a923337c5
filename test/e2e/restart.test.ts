import { beforeAll, describe, expect, test } from 'vitest';
import { kubectl, listImages, listSubvolumes, readObject, waitFor } from './harness/cluster.ts';
import * as driver from './harness/driver.ts';
import { useNamespace } from './harness/namespace.ts';
import { createClaim, createPod, createWriter, readProgress } from './harness/objects.ts';

const CLASSES = { rbd: 'ceph-rbd', cephfs: 'cephfs' } as const;
const kinds = ['rbd', 'cephfs'] as const;
type Kind = (typeof kinds)[number];

/** What docs/operations.md advises where userspace daemons serve volumes. */
const BY_HAND = 'node.updateStrategy.type=OnDelete';

interface Objects {
  readonly items: readonly { readonly metadata: { readonly uid: string } }[];
}

async function listPods(component: string): Promise<readonly string[]> {
  const selector = `--selector=${driver.selectComponent(component)}`;
  const { items } = await readObject<Objects>('--namespace', driver.NAMESPACE, 'pods', selector);
  return items.map(({ metadata }) => metadata.uid);
}

/** Deletes Pods, and waits until their containers have ended. */
async function deletePods(component: string): Promise<void> {
  const selector = `--selector=${driver.selectComponent(component)}`;
  await kubectl('--namespace', driver.NAMESPACE, 'delete', 'pod', selector, '--timeout=400s');
}

describe('while Pods write', () => {
  const namespace = useNamespace('restart');
  const logOf = (kind: Kind) => namespace.kubectl('logs', `writer-${kind}`);
  const claimsFor = (prefix: string) =>
    kinds.flatMap(kind =>
      [1, 2, 3].map(number => ({ name: `${prefix}-${kind}-${number}`, storageClass: CLASSES[kind] })),
    );

  /** Waits until each writer has had some more lines written since; none may have failed. */
  async function expectProgress(): Promise<void> {
    for (const kind of kinds) {
      const before = readProgress(await logOf(kind)).lines;
      const { failed } = await waitFor(`lines of the writer of ${kind}`, async () => {
        const progress = readProgress(await logOf(kind));
        return progress.failed || progress.lines > before + 5 ? progress : undefined;
      });
      expect(failed).toBe(false);
    }
  }

  beforeAll(async () => {
    await driver.installDriver(BY_HAND);
    for (const kind of kinds) {
      const claim = `written-${kind}`;
      await namespace.apply(
        createClaim(claim, { storageClass: CLASSES[kind] }),
        createWriter(`writer-${kind}`, claim),
      );
      await namespace.waitForPod(`writer-${kind}`);
    }
    await expectProgress();
  });

  test('they take no notice of the end of the controller, and claims made meanwhile are bound', async () => {
    const claims = claimsFor('controller');
    await namespace.apply(...claims.map(({ name, storageClass }) => createClaim(name, { storageClass })));
    await deletePods('controller');
    for (const { name } of claims) await namespace.waitForVolume(name);
    await driver.waitForDriver();
    await expectProgress();
    // One for each claim: none is left over from a call that was cut off.
    const expected = claims.length / kinds.length + 1;
    await waitFor('an image for each claim', async () => (await listImages()).length === expected);
    await waitFor('a subvolume for each claim', async () => (await listSubvolumes()).length === expected);
  });

  test("nor of an upgrade that leaves the nodes' Pods to the administrator", async () => {
    const [controllers, nodes] = [await listPods('controller'), await listPods('node')];
    await driver.installDriver(BY_HAND, 'logLevel=debug');
    await waitFor('other Pods of the controller', async () =>
      (await listPods('controller')).every(uid => !controllers.includes(uid)),
    );
    expect(await listPods('node')).toEqual(nodes);
    await expectProgress();
  });

  test("what they were told is on disk outlives the end of the node's Pod, and claims and Pods made meanwhile come up", async () => {
    const claims = claimsFor('node');
    await namespace.apply(...claims.map(({ name, storageClass }) => createClaim(name, { storageClass })));
    await deletePods('node');
    await namespace.apply(...claims.map(({ name: claim }) => createPod(claim, { claim })));
    for (const { name } of claims) {
      await namespace.waitForPod(name);
      await namespace.exec(name, 'touch', '/data/file');
    }
    // Where kernel clients serve the volumes, the writers are still at it.
    for (const kind of kinds) {
      const { lines } = readProgress(await logOf(kind));
      await namespace.remove('pod', `writer-${kind}`);
      const reader = `reader-${kind}`;
      await namespace.apply(createPod(reader, { claim: `written-${kind}` }));
      await namespace.waitForPod(reader);
      const written = await namespace.exec(reader, 'head', '-n', String(lines), '/data/log');
      const numbers = Array.from({ length: lines }, (_, index) => index + 1);
      expect(written).toBe(`${numbers.join('\n')}\n`);
    }
  });
});
