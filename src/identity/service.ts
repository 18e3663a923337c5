import type { PluginCapability } from '../gen/csi/v1/PluginCapability.ts';
import type { _csi_v1_PluginCapability_Service_Type__Output as ServiceCapability } from '../gen/csi/v1/PluginCapability.ts';
import type { Call, IdentityService } from '../grpc/service.ts';

export type PluginService = Exclude<ServiceCapability, 'UNKNOWN'>;

export interface PluginCapabilities {
  /** What this endpoint serves besides Identity and Node; asked when somebody wants to know it. */
  readonly listServices: () => Promise<readonly PluginService[]>;
  /** Volumes can grow while they are published. */
  readonly onlineExpansion: boolean;
}

export interface IdentityOptions {
  /** The driver's name: a StorageClass's `provisioner`. */
  readonly name: string;
  readonly version: string;
  readonly capabilities: PluginCapabilities;
  /** False while the driver is still starting. A DriverError says what keeps it from ever being ready. */
  readonly isReady: (call: Call) => Promise<boolean>;
}

async function listCapabilities(options: PluginCapabilities): Promise<PluginCapability[]> {
  const { listServices, onlineExpansion } = options;
  const services = await listServices();
  const capabilities: PluginCapability[] = services.map(type => ({ service: { type } }));
  return onlineExpansion ? [...capabilities, { volume_expansion: { type: 'ONLINE' } }] : capabilities;
}

/** The Identity service: who the driver is, what else it serves, and whether it is ready. */
export function createIdentityService(options: IdentityOptions): IdentityService {
  const { name, version } = options;
  return {
    GetPluginInfo: () => Promise.resolve({ name, vendor_version: version }),
    GetPluginCapabilities: async () => ({ capabilities: await listCapabilities(options.capabilities) }),
    Probe: async (_request, call) => ({ ready: { value: await options.isReady(call) } }),
  };
}
