import { expect, it } from 'vitest';
import { compareSeries } from '../../bench/comparison.ts';
import type { OperationResult } from '../../bench/load.ts';
import { plotSeries } from '../../bench/plot.ts';
import { mergeSeries, type Report, type Series } from '../../bench/report.ts';

function result(concurrency: number, p50: number): OperationResult {
  const timing = { calls: 10, errors: 0, p50, p95: p50, p99: p50, perSecond: 100 };
  return { operation: 'create', concurrency, ...timing, cpuSeconds: 0.05 };
}

const memory = [{ when: 'before', processes: [{ name: 'a', mebibytes: 70, descriptors: 9, cpuSeconds: 1 }] }];

function report(...series: readonly Series[]): Report {
  return { date: '2026-01-01T00:00:00.000Z', machine: '2 cores', series };
}

const series = mergeSeries([
  report(
    { name: 'Ceph', backend: 'rbd', results: [result(1, 8)], memory: [] },
    { name: 'ours', backend: 'rbd', results: [result(1, 20)], memory },
  ),
  report({ name: 'ours', backend: 'rbd', results: [result(10, 200)], memory }),
]);

it('puts parts of one driver together, and drivers before floors', () => {
  expect(series.map(({ name, results }) => [name, results.length])).toEqual([
    ['ours', 2],
    ['Ceph', 1],
  ]);
});

it('has all side by side, and leaves empty what was not measured', () => {
  const tables = compareSeries(series);
  expect(tables).toContain('| Call | At a time | ours | Ceph |');
  expect(tables).toContain('| create | 1 | 20 ms, 100/s | 8 ms, 100/s |');
  expect(tables).toContain('| create | 10 | 200 ms, 100/s |  |');
  expect(tables).toContain('| create | 5.0 ms |');
  expect(tables).toContain('| ours | 70 MiB | 70 MiB |');
});

it('draws a bar for each median, as long as its logarithm', () => {
  const image = plotSeries(series);
  expect(image).toMatch(/^<svg [^>]*>[^]*<\/svg>\n$/);
  expect(image).toContain('>20 ms<');
  const bars = [
    ...image.matchAll(/<rect x="126.0"[^>]* width="([0-9.]+)"|<rect x="376.0"[^>]* width="([0-9.]+)"/g),
  ];
  const [ours = 0, floor = 0, later = 0] = bars.map(bar => Number(bar[1] ?? bar[2]));
  // From 1 ms to 1 s: 20 ms, 8 ms, 200 ms.
  expect(ours / floor).toBeCloseTo(Math.log10(20) / Math.log10(8), 1);
  expect(later / ours).toBeCloseTo(Math.log10(200) / Math.log10(20), 1);
});

it('refuses to draw nothing', () => {
  expect(() => plotSeries([])).toThrow('nothing was measured');
});
