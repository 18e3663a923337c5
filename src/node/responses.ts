import type { NodeGetVolumeStatsResponse } from '../gen/csi/v1/NodeGetVolumeStatsResponse.ts';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.ts';
import type { VolumeCondition } from '../model/volume.ts';
import type { Usage, VolumeStatistics } from '../mount/statistics.ts';

function formatUsage(unit: 'BYTES' | 'INODES', { total, used, available }: Usage): VolumeUsage {
  return { unit, total: String(total), used: String(used), available: String(available) };
}

function formatUsages(statistics: VolumeStatistics): VolumeUsage[] {
  switch (statistics.type) {
    case 'block':
      return [{ unit: 'BYTES', total: String(statistics.totalBytes) }];
    case 'file-system': {
      const bytes = formatUsage('BYTES', statistics.bytes);
      return statistics.inodes === undefined ? [bytes] : [bytes, formatUsage('INODES', statistics.inodes)];
    }
    case 'abnormal':
      return [];
  }
}

/** What a volume's statistics alone say is wrong with it. */
export function findFault(statistics: VolumeStatistics): VolumeCondition | undefined {
  switch (statistics.type) {
    case 'block':
      return undefined;
    case 'file-system':
      return statistics.abnormal === undefined ? undefined : { abnormal: true, message: statistics.abnormal };
    case 'abnormal':
      return { abnormal: true, message: statistics.message };
  }
}

/** CSI 1.12: a plugin with VOLUME_CONDITION always tells one, so a volume without a finding is told to be well. */
export function formatStatistics(
  statistics: VolumeStatistics,
  condition: VolumeCondition | undefined,
): NodeGetVolumeStatsResponse {
  return {
    usage: formatUsages(statistics),
    volume_condition: condition ?? { abnormal: false, message: 'no fault is known' },
  };
}
