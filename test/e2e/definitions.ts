interface Definition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly scope: 'Cluster' | 'Namespaced';
  /** The schema of `spec`. */
  readonly spec: object;
}

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const text = { type: 'string' };

const METADATA_SERVICE = {
  type: 'object',
  required: ['address', 'audience', 'caCert'],
  properties: { address: text, audience: text, caCert: { type: 'string', format: 'byte' } },
};

const ENDPOINT = {
  type: 'object',
  required: ['port'],
  properties: { port: text, interval: { type: 'string', pattern: '^([0-9]+(ms|s|m|h))+$' } },
};
const MONITOR = {
  type: 'object',
  required: ['endpoints', 'selector'],
  properties: { endpoints: { type: 'array', items: ENDPOINT }, selector: anything },
};

const RULE = {
  type: 'object',
  required: ['expr'],
  properties: { alert: text, expr: text, for: text, labels: anything, annotations: anything },
};
const GROUP = {
  type: 'object',
  required: ['name'],
  properties: { name: text, rules: { type: 'array', items: RULE } },
};
const RULES = { type: 'object', properties: { groups: { type: 'array', items: GROUP } } };

/** Kinds of others that the chart makes objects of, with as much of their schema as these objects use. */
const DEFINITIONS: readonly Definition[] = [
  {
    group: 'monitoring.coreos.com',
    version: 'v1',
    kind: 'ServiceMonitor',
    plural: 'servicemonitors',
    scope: 'Namespaced',
    spec: MONITOR,
  },
  {
    group: 'monitoring.coreos.com',
    version: 'v1',
    kind: 'PrometheusRule',
    plural: 'prometheusrules',
    scope: 'Namespaced',
    spec: RULES,
  },
  {
    group: 'cbt.storage.k8s.io',
    version: 'v1beta1',
    kind: 'SnapshotMetadataService',
    plural: 'snapshotmetadataservices',
    scope: 'Cluster',
    spec: METADATA_SERVICE,
  },
];

/** Their CustomResourceDefinitions. */
export function createDefinitions(): readonly object[] {
  return DEFINITIONS.map(({ group, version, kind, plural, scope, spec }) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
    },
    spec: {
      group,
      scope,
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  }));
}
