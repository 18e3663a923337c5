import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { RequestValues } from '../../dev/driver/requests.ts';
import { values } from '../ceph/harness/cluster.ts';
import { useDriver } from '../ceph/harness/driver.ts';

const program = join(import.meta.dirname, '../../.cache/bin/csi-sanity');
/** `npm test` installs it. In CI its absence is a failure; elsewhere these tests are skipped, visibly. */
const isMissing = !existsSync(program) && process.env['CI'] !== 'true';

const GIBIBYTE = 1024 ** 3;
/** Milliseconds for all specs of one driver. */
const SUITE_BOUND = 900_000;

/** The part of Ginkgo's JSON report that is read. */
interface Report {
  readonly SpecReports: readonly {
    readonly State: string;
    readonly LeafNodeType: string;
    readonly ContainerHierarchyTexts: readonly string[] | null;
    readonly LeafNodeText: string;
    readonly Failure?: { readonly Message: string };
  }[];
}

/** What failed, and what the driver said if it was its error: the whole message is a dump of a Go structure. */
function describeFailure(spec: Report['SpecReports'][number]): string {
  const name = [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(' › ');
  const message = spec.Failure?.Message ?? '';
  return `${name}: ${spec.State}: ${/rpc error: .*/.exec(message)?.[0] ?? message.slice(0, 500)}`;
}

/** The secrets of each kind of call, under the names that csi-sanity has for them. */
function formatSecrets({ secrets, nodeSecrets }: RequestValues['rbd' | 'cephfs']): string {
  const controllerCalls = [
    ...['CreateVolume', 'DeleteVolume', 'ControllerPublishVolume', 'ControllerUnpublishVolume'],
    ...['ControllerValidateVolumeCapabilities', 'ControllerExpandVolume', 'ControllerModifyVolume'],
    ...['CreateSnapshot', 'DeleteSnapshot', 'ListSnapshots', 'GetSnapshot'],
  ];
  const nodeCalls = ['NodeStageVolume', 'NodePublishVolume'];
  return stringify({
    ...Object.fromEntries(controllerCalls.map(call => [`${call}Secret`, secrets])),
    ...Object.fromEntries(nodeCalls.map(call => [`${call}Secret`, nodeSecrets])),
  });
}

interface Run {
  readonly directory: string;
  readonly endpoint: string;
  readonly backend: keyof RequestValues;
  readonly accessType: 'mount' | 'block';
}

/**
 * Runs all specs, and resolves to what came of each, but for those that were skipped for a capability that is not
 * advertised, and those that csi-sanity itself has put aside as pending.
 */
async function runSanity(run: Run): Promise<Report['SpecReports']> {
  const directory = join(run.directory, `sanity-${run.backend}-${run.accessType}`);
  await mkdir(directory, { recursive: true });
  const report = join(directory, 'report.json');
  const secrets = join(directory, 'secrets.yaml');
  const parameters = join(directory, 'parameters.yaml');
  const snapshotParameters = join(directory, 'snapshot-parameters.yaml');
  await writeFile(secrets, formatSecrets(values[run.backend]), { mode: 0o600 });
  await writeFile(parameters, stringify(values[run.backend].parameters));
  await writeFile(snapshotParameters, stringify({ clusterID: values[run.backend].parameters.clusterID }));
  const args = [
    ...['--csi.endpoint', run.endpoint, '--csi.secrets', secrets],
    ...['--csi.testvolumeparameters', parameters, '--csi.testsnapshotparameters', snapshotParameters],
    ...['--csi.stagingdir', join(directory, 'staging'), '--csi.mountdir', join(directory, 'mount')],
    ...['--csi.testvolumesize', String(GIBIBYTE), '--csi.testvolumeexpandsize', String(2 * GIBIBYTE)],
    ...['--csi.testvolumeaccesstype', run.accessType],
    ...['--ginkgo.json-report', report, '--ginkgo.no-color'],
  ];
  const output = await new Promise<string>(resolve => {
    execFile(program, args, { timeout: SUITE_BOUND, maxBuffer: 64 * 1024 ** 2 }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
  // The exit code says no more than the report; without a report the output says why.
  if (!existsSync(report)) throw new Error(`csi-sanity wrote no report:\n${output}`);
  const [suite] = JSON.parse(await readFile(report, 'utf8')) as readonly Report[];
  return (suite?.SpecReports ?? []).filter(spec => !['skipped', 'pending'].includes(spec.State));
}

describe.skipIf(isMissing)('csi-sanity', () => {
  const driver = useDriver({ flags: ['--mapper', 'fuse', '--mounter', 'fuse'] });

  test.each([
    { backend: 'rbd', accessType: 'mount' },
    { backend: 'rbd', accessType: 'block' },
    { backend: 'cephfs', accessType: 'mount' },
  ] as const)(
    '$backend, $accessType: every spec of an advertised capability passes',
    async ({ backend, accessType }) => {
      const specs = await runSanity({
        directory: driver.directory,
        endpoint: driver.process.endpoints[backend],
        backend,
        accessType,
      });
      expect(specs.filter(spec => spec.State !== 'passed').map(describeFailure)).toEqual([]);
      const passed = specs.filter(spec => spec.LeafNodeType === 'It');
      expect(passed.length).toBeGreaterThan(50);
    },
    SUITE_BOUND + 30_000,
  );
});
