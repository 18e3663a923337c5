import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parse, parseAllDocuments } from 'yaml';

export const CHART = fileURLToPath(new URL('../../charts/csi-driver-ceph', import.meta.url));
/** The place of every rendering: a release `ceph` in the namespace `storage` of this Kubernetes. */
const PLACE = ['--namespace', 'storage', '--kube-version', '1.34.0'];
const HELM = fileURLToPath(new URL('../../.cache/bin/helm', import.meta.url));

/** Without helm, the chart's tests fail in CI, and are skipped with a message elsewhere. */
export const SKIPS = !existsSync(HELM) && process.env['CI'] === undefined;
if (SKIPS) process.stderr.write(`The chart's tests are SKIPPED: there is no ${HELM}\n`);

/** What the chart's tests read of a Kubernetes object. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
  };
  readonly data?: Record<string, string>;
  readonly rules?: readonly PolicyRule[];
  readonly provisioner?: string;
  readonly parameters?: Record<string, string>;
  readonly spec?: { readonly template?: { readonly spec: PodSpec }; readonly ports?: readonly ServicePort[] };
}

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources: object;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
}

async function runHelm(args: readonly string[]): Promise<{ failed: boolean; output: string }> {
  const result = await execa(HELM, args, { all: true, reject: false, timeout: 120_000 });
  if (result.exitCode === undefined) throw new Error(`helm did not run to its end: ${result.shortMessage}`);
  return { failed: result.failed, output: result.all };
}

/** `helm lint --strict`; the output of one that finds something. */
export async function lintChart(args: readonly string[] = []): Promise<string | undefined> {
  const { failed, output } = await runHelm(['lint', '--strict', CHART, ...args]);
  return failed ? output : undefined;
}

/**
 * The manifests.
 * @throws Error with helm's message.
 */
export async function renderChart(args: readonly string[] = []): Promise<string> {
  const { failed, output } = await runHelm(['template', 'ceph', CHART, ...PLACE, ...args]);
  if (failed) throw new Error(output);
  return output;
}

/**
 * What a person reads after the installation. `helm template` leaves the notes out, so a copy of the chart has a
 * template that includes them.
 */
export async function renderNotes(args: readonly string[] = []): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'csi-driver-ceph-chart-'));
  try {
    cpSync(CHART, directory, { recursive: true });
    const template = 'notes: {{ include (print .Template.BasePath "/NOTES.txt") . | quote }}\n';
    writeFileSync(join(directory, 'templates', 'notes.yaml'), template);
    const show = ['--show-only', 'templates/notes.yaml'];
    const { failed, output } = await runHelm(['template', 'ceph', directory, ...PLACE, ...show, ...args]);
    if (failed) throw new Error(output);
    return (parse(output) as { notes: string }).notes;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export function parseObjects(manifests: string): readonly KubernetesObject[] {
  return parseAllDocuments(manifests).flatMap(document => {
    if (document.errors.length > 0) throw new Error(document.errors.map(String).join('\n'));
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

export async function renderObjects(args: readonly string[] = []): Promise<readonly KubernetesObject[]> {
  return parseObjects(await renderChart(args));
}

/** The pods of the controller's Deployment and the node's DaemonSet. */
export function podsOf(objects: readonly KubernetesObject[]): { controller: PodSpec; node: PodSpec } {
  const find = (kind: string) => objects.find(object => object.kind === kind)?.spec?.template?.spec;
  const controller = find('Deployment');
  const node = find('DaemonSet');
  if (controller === undefined || node === undefined) throw new Error('no Deployment or no DaemonSet');
  return { controller, node };
}
