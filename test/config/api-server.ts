import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of 127.0.0.1, signed by itself; made for these tests, and in use nowhere. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUCgAwIBAgIUSjbBAa48rR3zC3tXKByZ7N0Y5RMwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOa3ViZS1hcGlzZXJ2ZXIwIBcNMjYxMTI0MjIxMzA1WhgPMjEy
NjEwMzEyMjEzMDVaMBkxFzAVBgNVBAMMDmt1YmUtYXBpc2VydmVyMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEZf669b9nCrhAgVidGoA+CfpmZzyLvh7dkCBbtKqr
L8dIXqgEHcsPJFZMNGFKJPt3IfBAXbjb9UrcvvADdwoEUaNkMGIwHQYDVR0OBBYE
FBk1zlj8e1JQoZkD89+bdcE2PXvjMB8GA1UdIwQYMBaAFBk1zlj8e1JQoZkD89+b
dcE2PXvjMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjO
PQQDAgNJADBGAiEA61ITOqIFMPG69uuWoJWoeDyq1yPdbXpRvuKc1Eppz+UCIQDL
AiJjgxC0UpHPrEAWL1O8F24scKTUuOXpHcGejSVAlQ==
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghx1Oe5TvJUUSW7WT
7XuvFfnNnLQeAbs4hMAVhvU3t42hRANCAARl/rr1v2cKuECBWJ0agD4J+mZnPIu+
Ht2QIFu0qqsvx0heqAQdyw8kVkw0YUok+3ch8EBduNv1Sty+8AN3CgRR
-----END PRIVATE KEY-----
`;

export interface FakeApiServer {
  readonly url: string;
  /** With the files that Kubernetes gives to a pod. */
  readonly accountDir: string;
  close(): Promise<void>;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** A real HTTPS server, and the service account of a pod that trusts it. */
export async function startApiServer(token: string, answer: RequestListener): Promise<FakeApiServer> {
  const accountDir = mkdtempSync(join(tmpdir(), 'csi-account-'));
  writeFileSync(join(accountDir, 'token'), `${token}\n`);
  writeFileSync(join(accountDir, 'ca.crt'), CERTIFICATE);
  const server = createServer({ cert: CERTIFICATE, key: KEY }, answer);
  const port = await listen(server);
  return {
    url: `https://127.0.0.1:${port}`,
    accountDir,
    async close() {
      rmSync(accountDir, { recursive: true });
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
