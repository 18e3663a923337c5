/** How far images may grow into each other before the driver does something about it. */
export interface RbdLimits {
  /** Parents above an image; a new volume with more is flattened in the background. */
  readonly comfortableDepth: number;
  /** Parents above an image; no volume is made that would have more. Kernel clients open at most 16 levels. */
  readonly mostDepth: number;
  /**
   * Snapshots of an image, those included that only its clones still live from; with more, clones are flattened in the
   * background.
   */
  readonly comfortableSnapshots: number;
  /** Snapshots of an image; no more are made. Kernel clients take at most 510. */
  readonly mostSnapshots: number;
}

export const DEFAULT_LIMITS: RbdLimits = {
  comfortableDepth: 4,
  mostDepth: 12,
  comfortableSnapshots: 200,
  mostSnapshots: 450,
};
