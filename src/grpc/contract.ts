import { fromJSON } from '@grpc/proto-loader';
import type { ControllerDefinition } from '../gen/csi/v1/Controller.ts';
import type { GroupControllerDefinition } from '../gen/csi/v1/GroupController.ts';
import type { IdentityDefinition } from '../gen/csi/v1/Identity.ts';
import type { NodeDefinition } from '../gen/csi/v1/Node.ts';
import type { SnapshotMetadataDefinition } from '../gen/csi/v1/SnapshotMetadata.ts';
import schema from '../gen/schema.json' with { type: 'json' };

/** The methods of the five services: paths, and how their messages are read and written. */
export interface Contract {
  readonly Identity: IdentityDefinition;
  readonly Controller: ControllerDefinition;
  readonly GroupController: GroupControllerDefinition;
  readonly SnapshotMetadata: SnapshotMetadataDefinition;
  readonly Node: NodeDefinition;
}

/**
 * Loads what src/gen has of proto/csi.proto. Messages are plain objects with the specification's field names; 64-bit numbers and enum
 * values are strings, absent scalars have their defaults, and absent messages are null.
 */
function loadContract(): Contract {
  const json: unknown = schema;
  const loaded: unknown = fromJSON(json as Parameters<typeof fromJSON>[0], {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  // src/gen was generated from the same file with the same options, so its types are what the loader gives.
  const services = loaded as { readonly [Name in keyof Contract as `csi.v1.${Name}`]: Contract[Name] };
  return {
    Identity: services['csi.v1.Identity'],
    Controller: services['csi.v1.Controller'],
    GroupController: services['csi.v1.GroupController'],
    SnapshotMetadata: services['csi.v1.SnapshotMetadata'],
    Node: services['csi.v1.Node'],
  };
}

export const csi = loadContract();
