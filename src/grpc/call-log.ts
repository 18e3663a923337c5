import { status } from '@grpc/grpc-js';
import type { OpenCall } from './call.ts';
import { describeError, nameCode } from './status.ts';
import type { Status } from './status.ts';

/** Called every few seconds by Kubernetes, and of no interest when all is well. */
const quietMethods = new Set([
  'Probe',
  'GetPluginInfo',
  'GetPluginCapabilities',
  'ControllerGetCapabilities',
  'GroupControllerGetCapabilities',
  'NodeGetCapabilities',
]);

/** The fields of requests that say what a call is about, best first. */
const volumeFields = ['volume_id', 'source_volume_id', 'name'];
const snapshotFields = ['snapshot_id', 'group_snapshot_id', 'target_snapshot_id'];

function findText(request: object, fields: readonly string[]): string | undefined {
  const values = new Map<string, unknown>(Object.entries(request));
  const texts = fields.map(field => values.get(field)).filter(value => typeof value === 'string');
  return texts.find(text => text !== '');
}

/** What a call is about, for its line in the log: the volume's id or name, the snapshot's id. */
function describeSubject(request: object): object {
  const volume = findText(request, volumeFields);
  const snapshot = findText(request, snapshotFields);
  return { ...(volume === undefined ? {} : { volume }), ...(snapshot === undefined ? {} : { snapshot }) };
}

export interface CallEnd {
  readonly open: OpenCall;
  readonly request: object;
  readonly status: Status;
  /** What the handler threw, when it did. */
  readonly error: unknown;
  readonly seconds: number;
}

/**
 * Writes the one line of a call that has ended. Unforeseen errors are at level error, the others at warn; the
 * caller sees only the status of either, so the causes are here.
 */
export function logEnd(end: CallEnd): void {
  const { log, method } = end.open.call;
  const fields = {
    ...describeSubject(end.request),
    code: nameCode(end.status.code),
    ms: Math.round(end.seconds * 1000),
    processes: end.open.countProcesses(),
    operations: end.open.countOperations(),
  };
  if (end.error !== undefined) {
    const level = end.status.code === status.INTERNAL ? 'error' : 'warn';
    log[level]({ ...fields, causes: describeError(end.error) }, `call failed: ${end.status.details}`);
  } else if (quietMethods.has(method)) log.debug(fields, 'call ended');
  else log.info(fields, 'call ended');
}
