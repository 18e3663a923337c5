import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, beforeEach } from 'vitest';
import { kubectl, readObject, waitFor } from './cluster.ts';
import { describeDriver, withFile } from './driver.ts';

const examples = join(import.meta.dirname, '../../../examples');
const TIMEOUT = '--timeout=300s';

/** What a claim's volume is, and where. */
export interface BoundVolume {
  readonly volumeHandle: string;
  readonly persistentVolume: string;
}

/** A namespace of a test file, and what an app team does in one. */
export interface Namespace {
  readonly name: string;
  kubectl(...args: readonly string[]): Promise<string>;
  apply(...objects: readonly object[]): Promise<void>;
  /** Applies a file of examples/. */
  applyExample(file: string): Promise<void>;
  /** Waits until the claim is bound. */
  waitForVolume(claim: string): Promise<BoundVolume>;
  /** Waits until the pod runs. */
  waitForPod(pod: string): Promise<void>;
  /** Runs a command in a pod, and resolves to what it printed. */
  exec(pod: string, ...argv: readonly string[]): Promise<string>;
  /** Deletes an object, and waits until it is gone. */
  remove(kind: string, name: string): Promise<void>;
}

interface Claim {
  readonly spec: { readonly volumeName: string };
}

interface PersistentVolume {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly claimRef?: { readonly namespace: string };
    readonly csi?: { readonly volumeHandle: string };
  };
}

function createNamespace(name: string): Namespace {
  const run = (...args: readonly string[]) => kubectl('--namespace', name, ...args);
  return {
    name,
    kubectl: run,
    async apply(...objects) {
      const list = { apiVersion: 'v1', kind: 'List', items: objects };
      await withFile(list, file => run('apply', `--filename=${file}`));
    },
    async applyExample(file) {
      await run('apply', `--filename=${join(examples, file)}`);
    },
    async waitForVolume(claim) {
      await run('wait', '--for=jsonpath={.status.phase}=Bound', TIMEOUT, `persistentvolumeclaim/${claim}`);
      const { spec } = await readObject<Claim>('--namespace', name, 'persistentvolumeclaim', claim);
      const volume = await readObject<PersistentVolume>('persistentvolume', spec.volumeName);
      return { volumeHandle: volume.spec.csi?.volumeHandle ?? '', persistentVolume: spec.volumeName };
    },
    async waitForPod(pod) {
      await run('wait', '--for=condition=Ready', TIMEOUT, `pod/${pod}`);
    },
    exec: (pod, ...argv) => run('exec', pod, '--', ...argv),
    async remove(kind, object) {
      // The examples' shells take no notice of SIGTERM; a grace of 0 would not wait for the unmounting.
      await run('delete', kind, object, '--grace-period=1', TIMEOUT);
    },
  };
}

/** Deletes all that a test file has made; its volumes have to go with it. */
async function removeNamespace(name: string): Promise<void> {
  await kubectl(
    '--namespace',
    name,
    'delete',
    'deployment,statefulset,pod',
    '--all',
    '--grace-period=1',
    TIMEOUT,
  );
  await kubectl('delete', 'namespace', name, TIMEOUT);
  await waitFor(`end of the volumes of the namespace ${name}`, async () => {
    const { items } = await readObject<{ readonly items: readonly PersistentVolume[] }>('persistentvolumes');
    return items.every(volume => volume.spec.claimRef?.namespace !== name);
  });
}

async function describeNamespace(name: string): Promise<string> {
  const list = ['get', 'persistentvolumeclaims,pods,volumesnapshots', '--output=wide'];
  const events = ['get', 'events', '--sort-by=.lastTimestamp'];
  const parts = [list, events].map(args =>
    kubectl('--namespace', name, ...args).catch((error: unknown) => String(error)),
  );
  return (await Promise.all(parts)).join('\n');
}

/** A namespace for the tests of a file. What is in it, and the driver's log, are printed when a test fails. */
export function useNamespace(prefix: string): Namespace {
  const namespace = createNamespace(`${prefix}-${randomBytes(3).toString('hex')}`);
  beforeAll(async () => {
    await kubectl('create', 'namespace', namespace.name);
    return () => removeNamespace(namespace.name);
  });
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await describeNamespace(namespace.name)}\n${await describeDriver()}\n`);
    });
  });
  return namespace;
}
