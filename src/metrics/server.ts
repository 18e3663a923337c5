import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { DriverError } from '../model/errors.ts';
import type { Metrics } from './metrics.ts';

/** Where to listen: a host, empty for all addresses, and a port, 0 for any. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface MetricsServer {
  /**
   * Starts to serve `GET /metrics`.
   * @returns the URL as this machine reaches it, with the port that was chosen where 0 was asked for.
   * @throws DriverError `failed-precondition` when the address cannot be had.
   */
  listen(): Promise<string>;
  close(): Promise<void>;
}

async function answer(metrics: Metrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('there is only GET /metrics\n');
    return;
  }
  const text = await metrics.render();
  response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
}

/** An HTTP server for Prometheus. It needs no certificate or password: nothing in the metrics is secret. */
export function createMetricsServer(metrics: Metrics, address: ListenAddress): MetricsServer {
  const server = createServer((request, response) => {
    answer(metrics, request, response).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`);
    });
  });
  return {
    async listen() {
      const { host, port } = address;
      server.listen({ port, ...(host === '' ? {} : { host }) });
      try {
        await once(server, 'listening');
      } catch (error) {
        const where = `${host}:${port}`;
        throw new DriverError('failed-precondition', `--metrics-address: cannot listen on "${where}"`, {
          cause: error,
        });
      }
      const bound = server.address();
      const actual = bound === null || typeof bound === 'string' ? port : bound.port;
      const reachable = host === '' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
      return `http://${reachable}:${actual}/metrics`;
    },
    async close() {
      await new Promise(resolve => {
        server.close(resolve);
        // Prometheus keeps its connection for the next scrape.
        server.closeAllConnections();
      });
    },
  };
}
