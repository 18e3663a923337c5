import { writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { apiServer, readNodeLabels } from '../../src/config/node-labels.ts';
import { startApiServer, type FakeApiServer } from './api-server.ts';

const TOKEN = 'a-token-of-the-pod';
const never = new AbortController().signal;
let server: FakeApiServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(answer: RequestListener) {
  server = await startApiServer(TOKEN, answer);
  return { nodeId: 'node-1', server: server.url, accountDir: server.accountDir };
}

describe('the labels of a node', () => {
  it('are asked of the Kubernetes API with the service account', async () => {
    const wanted = await start((request, response) => {
      const isAsked =
        request.url === '/api/v1/nodes/node-1' && request.headers.authorization === `Bearer ${TOKEN}`;
      response.writeHead(isAsked ? 200 : 403);
      response.end(JSON.stringify({ metadata: { labels: { 'topology.kubernetes.io/zone': 'a', odd: 1 } } }));
    });
    expect(await readNodeLabels(wanted, never)).toEqual({ 'topology.kubernetes.io/zone': 'a' });
  });

  it.each([
    ['the node plugin may not read nodes', 403, '{}', /node node-1 at https:.*: HTTP status 403/],
    ['what answers is not the API', 200, '<html>', /node node-1 at https:.*JSON/],
  ])('are missing where %s', async (_, status, body, message) => {
    const wanted = await start((_request, response) => {
      response.writeHead(status);
      response.end(body);
    });
    const read = readNodeLabels(wanted, never);
    await expect(read).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(message) as unknown,
    });
    await expect(read).rejects.not.toThrow(TOKEN);
  });

  it('are not asked of a server that the service account does not trust', async () => {
    const tokens: unknown[] = [];
    const wanted = await start((request, response) => {
      tokens.push(request.headers.authorization);
      response.end('{}');
    });
    writeFileSync(join(wanted.accountDir, 'ca.crt'), '');
    await expect(readNodeLabels(wanted, never)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(tokens).toEqual([]);
  });

  it('are given up with the call that needs them', async () => {
    const call = new AbortController();
    // The request is there, and is never answered.
    const wanted = await start(() => call.abort());
    await expect(readNodeLabels(wanted, call.signal)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('the API server', () => {
  it.each([
    ['10.0.0.1', '6443', 'https://10.0.0.1:6443'],
    ['fd00::1', '443', 'https://[fd00::1]:443'],
  ])('at %s is that of the pod’s environment', (host, port, url) => {
    expect(apiServer({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port })).toBe(url);
  });

  it('is missing outside of a pod', () => {
    expect(() => apiServer({})).toThrow(/--read-affinity and --domain-labels .*KUBERNETES_SERVICE_HOST/);
  });
});
