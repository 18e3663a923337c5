import { once } from 'node:events';
import { pino } from 'pino';
import { OPTIONS } from '../config/option-table.ts';
import { parseServeOptions, type ServeOptions } from '../config/options.ts';
import { describeOptions } from '../config/settings.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createMetricsServer } from '../metrics/server.ts';
import type { Log } from '../model/call.ts';
import type { CliCommand } from './command.ts';
import { createDrivers, type Driver } from './drivers.ts';
import { VERSION } from './version.ts';

function printHelp(): void {
  console.log(
    'Serves the RBD and CephFS drivers, each on its own socket, until SIGTERM or SIGINT.\n\n' +
      `Usage: csi-driver-ceph serve [OPTIONS]\n\nOptions, each also as an environment variable:\n${describeOptions(OPTIONS)}`,
  );
}

/** Resolves with the first signal that asks the driver to end. */
async function waitForSignal(): Promise<string> {
  const stop = new AbortController();
  const names = ['SIGTERM', 'SIGINT'] as const;
  const waits = names.map(name => once(process, name, { signal: stop.signal }).then(() => name));
  const name = await Promise.race(waits);
  stop.abort();
  await Promise.allSettled(waits);
  return name;
}

/** Loaded only where it is asked for: what counts them takes its time at the start. */
async function createServeMetrics({
  metricsAddress,
  servesController,
  servesNode,
}: ServeOptions): Promise<Metrics | undefined> {
  if (metricsAddress === undefined) return undefined;
  const role = servesController && servesNode ? 'all' : servesController ? 'controller' : 'node';
  const { createMetrics } = await import('../metrics/metrics.ts');
  return createMetrics({ version: VERSION, role });
}

/** Serves the metrics where they are asked for. @returns what ends that. */
async function serveMetrics({ metricsAddress }: ServeOptions, metrics: Metrics | undefined, log: Log) {
  if (metricsAddress === undefined || metrics === undefined) return () => Promise.resolve();
  const server = createMetricsServer(metrics, metricsAddress);
  const url = await server.listen();
  log.info({ url }, 'serving metrics');
  return () => server.close();
}

async function stopDriver(driver: Driver, bound: number): Promise<void> {
  await driver.server.drain(bound);
  await Promise.all(driver.background.map(background => background.drain()));
}

export const serveCommand: CliCommand = {
  name: 'serve',
  summary: 'serve the CSI drivers',

  async run(argv) {
    if (argv.includes('--help') || argv.includes('-h')) {
      printHelp();
      return 0;
    }
    const options = parseServeOptions(argv, process.env);
    const log = pino({ level: options.logLevel, base: {}, timestamp: pino.stdTimeFunctions.isoTime });
    process.on('unhandledRejection', reason => {
      log.fatal({ err: reason }, 'a promise was rejected that nobody waits for: this is a defect; stopping');
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });
    const metrics = await createServeMetrics(options);
    const drivers = createDrivers(options, driver => log.child({ driver }), metrics);
    const stopped = waitForSignal();
    const stopMetrics = await serveMetrics(options, metrics, log);
    for (const driver of drivers) {
      const endpoint = await driver.server.listen();
      for (const background of driver.background) background.start();
      log.info({ driver: driver.name, endpoint, version: VERSION }, 'serving');
    }
    const signal = await stopped;
    log.info({ signal }, 'stopping: calls in flight may end');
    await Promise.all(drivers.map(driver => stopDriver(driver, options.drainTimeout)));
    await stopMetrics();
    log.info({}, 'stopped');
    return process.exitCode === 1 ? 1 : 0;
  },
};
