import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { DriverError } from '../model/errors.ts';

export type NodeLabels = Readonly<Partial<Record<string, string>>>;

export interface NodeLabelsRequest {
  /** The node's name in Kubernetes. */
  readonly nodeId: string;
  /** Of Kubernetes' API server: `https://host:port`. */
  readonly server: string;
  /** Where the service account's `token` and `ca.crt` are. */
  readonly accountDir: string;
}

/** Where Kubernetes puts the service account of a pod's container. */
export const ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Milliseconds for the answer of the API server. */
const TIMEOUT = 5_000;
/** Bytes; a Node with all its images is well below. */
const LONGEST_ANSWER = 4 * 1024 * 1024;

/**
 * The API server that a pod finds in its environment.
 * @throws DriverError `failed-precondition` outside of a pod.
 */
export function apiServer(env: NodeJS.ProcessEnv): string {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host !== '') return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  throw new DriverError(
    'failed-precondition',
    '--read-affinity and --domain-labels need the Kubernetes API, and KUBERNETES_SERVICE_HOST is not set',
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function get(url: URL, account: { readonly token: string; readonly ca: string }, signal: AbortSignal) {
  return await new Promise<Answer>((resolve, reject) => {
    const headers = { Accept: 'application/json', Authorization: `Bearer ${account.token}` };
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
    const call = request(url, { headers, ca: account.ca, signal: bounded, agent: false }, response => {
      let body = '';
      response.setEncoding('utf8');
      response.on('error', reject);
      response.on('data', (text: string) => {
        body += text;
        if (body.length > LONGEST_ANSWER) response.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

function parseLabels(body: string): NodeLabels {
  const node = JSON.parse(body) as { metadata?: { labels?: Record<string, unknown> } } | null;
  const labels = Object.entries(node?.metadata?.labels ?? {});
  return Object.fromEntries(
    labels.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/**
 * The labels of this node, from the Kubernetes API.
 * @throws DriverError `unavailable` saying why not.
 */
export async function readNodeLabels(wanted: NodeLabelsRequest, signal: AbortSignal): Promise<NodeLabels> {
  const { nodeId, server, accountDir } = wanted;
  const url = new URL(`/api/v1/nodes/${encodeURIComponent(nodeId)}`, server);
  try {
    // Read each time: kubelet puts a new token there before the old one expires.
    const [token, ca] = await Promise.all(
      ['token', 'ca.crt'].map(async name => await readFile(join(accountDir, name), 'utf8')),
    );
    const { status, body } = await get(url, { token: (token ?? '').trim(), ca: ca ?? '' }, signal);
    if (status !== 200) throw new Error(`HTTP status ${status}`);
    return parseLabels(body);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DriverError('unavailable', `the labels of node ${nodeId} at ${url.href}: ${why}`, {
      cause: error,
    });
  }
}
