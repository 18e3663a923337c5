import type { CephSession } from '../../ceph/rbd-session.ts';
import type { Context } from '../../model/call.ts';
import { DriverError } from '../../model/errors.ts';
import type { StageRequest } from '../../model/node-backend.ts';
import type { Secret, Secrets } from '../../model/secret.ts';
import type { AccessMode } from '../../model/volume.ts';
import { parseFileSystemType, type FileSystemType } from '../../mount/file-system-type.ts';
import { isReadOnly, mergeMountOptions } from '../../mount/mount-options.ts';
import { requireSupported } from '../access-modes.ts';
import type { NodeImage } from './mappers/mapper.ts';
import { requireVolumePlace, type VolumePlace } from '../places.ts';
import type { Sessions } from '../sessions.ts';
import { parseVolumeContext, type VolumeContext } from '../volume-context.ts';

export type StagedAccess =
  | { readonly type: 'block' }
  | { readonly type: 'mount'; readonly fsType: FileSystemType; readonly options: readonly string[] };

/** A StageRequest, understood. */
export interface StagePlan {
  readonly image: NodeImage;
  readonly session: CephSession;
  readonly stagingPath: string;
  readonly access: StagedAccess;
  readonly readOnly: boolean;
  /** No other node may have the image open for writing. */
  readonly singleWriter: boolean;
  readonly volume: VolumeContext;
  /** Absent: the volume is not encrypted. */
  readonly passphrase?: Secret;
}

function readsOnly(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}

function parseAccess(request: StageRequest): StagedAccess {
  const { access, mode } = request.capability;
  if (access.type === 'block') return access;
  const fsType = parseFileSystemType(access.fsType);
  const options = mergeMountOptions(access.mountFlags, readsOnly(mode) ? ['ro'] : []);
  return { type: 'mount', fsType, options };
}

function requirePassphrase(secrets: Secrets): Secret {
  const { encryptionPassphrase: passphrase } = secrets;
  if (passphrase !== undefined && passphrase.reveal() !== '') return passphrase;
  throw new DriverError(
    'invalid-argument',
    'secrets: encryptionPassphrase is missing; the node-stage Secret of an encrypted volume has it',
  );
}

/**
 * @throws DriverError `invalid-argument` naming the field, `not-found` for a volume ID that this driver never gave and
 *   that is no static volume's.
 */
export function planStage(request: StageRequest, sessions: Sessions, context: Context): StagePlan {
  const { volumeId, stagingPath, capability, secrets } = request;
  requireSupported([capability]);
  const volume = parseVolumeContext(volumeId, request.context);
  const place: VolumePlace = volume.staticImage ?? requireVolumePlace(volumeId);
  const access = parseAccess(request);
  const { mode } = capability;
  const readOnly = readsOnly(mode) || (access.type === 'mount' && isReadOnly(access.options));
  return {
    image: { volumeId, ...place },
    session: sessions.open(place.clusterId, secrets, context),
    stagingPath,
    access,
    readOnly,
    singleWriter: !readOnly && mode !== 'multi-node-multi-writer',
    volume,
    ...(volume.encrypted ? { passphrase: requirePassphrase(secrets) } : {}),
  };
}
