import { shortName } from '../config/node-topology.ts';
import { DriverError } from '../model/errors.ts';
import type { Accessibility, Topology } from '../model/volume.ts';
import { isName } from './places.ts';

/** A pool of a class, and the nodes that reach it. */
interface ConstrainedPool {
  readonly pool: string;
  readonly dataPool?: string;
  /** Values by the names of labels, without a prefix: zone → east. */
  readonly domain: ReadonlyMap<string, string>;
}

/** Where an image can be. */
export interface ImagePool {
  readonly name: string;
  readonly dataPool?: string;
  /** From where the image is reached there, of what was asked for; absent: all of that, or none. */
  readonly accessibleTopology?: Topology;
}

const SHAPE =
  '[{"poolName": "…", "dataPool": "…", "domainSegments": [{"domainLabel": "zone", "value": "…"}]}]';

function invalid(what: string): DriverError {
  return new DriverError(
    'invalid-argument',
    `parameters: topologyConstrainedPools ${what}; it is a JSON list such as ${SHAPE}`,
  );
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (error) {
    throw invalid(`is not JSON (${(error as SyntaxError).message})`);
  }
}

/** The keys of an object of which all values are to be checked; of anything else, none. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function parseDomain(pool: string, segments: unknown): ReadonlyMap<string, string> {
  const domain = new Map<string, string>();
  for (const segment of Array.isArray(segments) ? segments : []) {
    const { domainLabel, value } = fieldsOf(segment);
    if (typeof domainLabel !== 'string' || domainLabel === '' || typeof value !== 'string') {
      throw invalid(`has a domain segment of pool "${pool}" that is not a label and its value`);
    }
    domain.set(domainLabel, value);
  }
  if (domain.size === 0) throw invalid(`has no domainSegments for pool "${pool}"`);
  return domain;
}

function parsePool(entry: unknown): ConstrainedPool {
  const { poolName, dataPool = '', domainSegments } = fieldsOf(entry);
  for (const name of dataPool === '' ? [poolName] : [poolName, dataPool]) {
    if (typeof name !== 'string' || !isName(name)) {
      throw invalid(`has ${name === undefined ? 'nothing' : JSON.stringify(name)} for the name of a pool`);
    }
  }
  const pool = String(poolName);
  return {
    pool,
    ...(dataPool === '' ? {} : { dataPool: String(dataPool) }),
    domain: parseDomain(pool, domainSegments),
  };
}

function parsePools(value: string): readonly ConstrainedPool[] {
  const entries = parseJson(value);
  if (!Array.isArray(entries) || entries.length === 0) throw invalid('names no pool');
  return entries.map(parsePool);
}

/** Those segments of a topology that lie within the domain; undefined when it lies elsewhere. */
function reach(domain: ReadonlyMap<string, string>, topology: Topology): Topology | undefined {
  const segments = Object.entries(topology).filter(
    ([key, value]) => value !== undefined && domain.get(shortName(key)) === value,
  );
  return segments.length < domain.size ? undefined : Object.fromEntries(segments);
}

function toImagePool(
  { pool: name, dataPool, domain }: ConstrainedPool,
  topologies: readonly Topology[],
): ImagePool {
  const [accessibleTopology] = topologies
    .map(topology => reach(domain, topology))
    .filter(segments => segments !== undefined);
  return {
    name,
    ...(dataPool === undefined ? {} : { dataPool }),
    ...(accessibleTopology === undefined ? {} : { accessibleTopology }),
  };
}

/**
 * The pools of a class that constrains them by topology (`topologyConstrainedPools`): first the one for the first of the
 * topologies that has one, the preferred topologies before the others; then the rest.
 * @throws DriverError `invalid-argument` for a value that is malformed; `resource-exhausted`, as CSI has it for
 *   CreateVolume, when no pool is reached from any of the topologies.
 */
export function choosePools(
  value: string,
  { preferred, requisite }: Accessibility,
): readonly [ImagePool, ...ImagePool[]] {
  const pools = parsePools(value);
  const topologies = [...preferred, ...requisite];
  for (const topology of topologies) {
    const best = pools.find(({ domain }) => reach(domain, topology) !== undefined);
    if (best === undefined) continue;
    const others = pools.filter(pool => pool !== best).map(pool => toImagePool(pool, topologies));
    return [toImagePool(best, [topology]), ...others];
  }
  throw new DriverError(
    'resource-exhausted',
    `accessibility_requirements: no pool of topologyConstrainedPools is for ${JSON.stringify(topologies)}`,
  );
}
