import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { createMetricsServer, type MetricsServer } from '../../src/metrics/server.ts';
import { readSample } from './scrape.ts';

const build = { version: '1.2.3', role: 'node' };
const servers: MetricsServer[] = [];

async function serve(host: string): Promise<string> {
  const server = createMetricsServer(createMetrics(build), { host, port: 0 });
  servers.push(server);
  return await server.listen();
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe('the metrics', () => {
  test('count calls, programs and operations, and how long they took', async () => {
    const metrics = createMetrics(build);
    metrics.observeCall('rbd', 'CreateVolume', 'OK', 0.2);
    metrics.observeCall('rbd', 'CreateVolume', 'OK', 2);
    metrics.observeCall('rbd', 'CreateVolume', 'ABORTED', 0.001);
    metrics.observeProgram('rbd', 0, 0.05);
    metrics.observeProgram('rbd', undefined, 60);
    metrics.observeOperation('image_info', 2, 0.005);
    const text = await metrics.render();
    const calls = (labels: Record<string, string>) =>
      readSample(text, 'csi_driver_ceph_call_duration_seconds_count', { method: 'CreateVolume', ...labels });
    expect([calls({ code: 'OK' }), calls({ code: 'ABORTED' })]).toEqual([2, 1]);
    const bucket = 'csi_driver_ceph_call_duration_seconds_bucket';
    expect(readSample(text, bucket, { code: 'OK', le: '0.3' })).toBe(1);
    const operations = 'csi_driver_ceph_operation_duration_seconds_count';
    expect(readSample(text, operations, { operation: 'image_info', code: '2' })).toBe(1);
    const programs = 'csi_driver_ceph_program_duration_seconds_count';
    expect(readSample(text, programs, { program: 'rbd', exit_code: '0' })).toBe(1);
    expect(readSample(text, programs, { program: 'rbd', exit_code: 'none' })).toBe(1);
  });

  test('tell what each driver does at this moment, as far as it does such things', async () => {
    const metrics = createMetrics(build);
    const idle = { locksHeld: 0, callsJoined: 0, oldestLockSeconds: 0 };
    let purgesPending = 5;
    metrics.watchDriver('rbd', () => ({ ...idle, locksHeld: 2, purgesPending, flatteningsPending: 1 }));
    metrics.watchDriver('cephfs', () => idle);
    await metrics.render();
    purgesPending = 4;
    const text = await metrics.render();
    const read = (name: string, driver: string) => readSample(text, `csi_driver_ceph_${name}`, { driver });
    expect(read('locks_held', 'rbd')).toBe(2);
    expect(read('locks_held', 'cephfs')).toBe(0);
    expect(read('purges_pending', 'rbd')).toBe(4);
    expect(read('purges_pending', 'cephfs')).toBeUndefined();
  });

  test('are all in the operations page', async () => {
    const text = await createMetrics(build).render();
    const served = [...text.matchAll(/^# TYPE (csi_driver_ceph_\w+)/gm)].map(([, name = '']) => name);
    const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const told = [...page.matchAll(/^\| `(csi_driver_ceph_\w+)`/gm)].map(([, name = '']) => name);
    expect(told.sort()).toEqual(served.sort());
  });

  test('tell what runs, and how Node.js is', async () => {
    const text = await createMetrics(build).render();
    expect(readSample(text, 'csi_driver_ceph_build_info', build)).toBe(1);
    expect(readSample(text, 'process_resident_memory_bytes', {})).toBeGreaterThan(0);
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });
});

describe('the server of the metrics', () => {
  test.each(['127.0.0.1', ''])('answers at /metrics alone, on "%s"', async host => {
    const url = await serve(host);
    const answer = await fetch(url);
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(readSample(await answer.text(), 'csi_driver_ceph_build_info', build)).toBe(1);
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(url, { method: 'POST' })).status).toBe(404);
  });

  test('says which address cannot be had', async () => {
    const { port } = new URL(await serve('127.0.0.1'));
    const second = createMetricsServer(createMetrics(build), { host: '127.0.0.1', port: Number(port) });
    await expect(second.listen()).rejects.toThrow(`--metrics-address: cannot listen on "127.0.0.1:${port}"`);
    await second.close();
  });
});
