/** What calls have cost together. */
export interface Cost {
  readonly calls: number;
  readonly processes: number;
  /** Requests to Ceph over a lasting connection. */
  readonly operations: number;
}

interface CallLine {
  readonly processes: number;
  readonly operations: number;
}

/** The counts of a line of the driver's log that tells of a call; undefined for any other line. */
function readLine(line: string): CallLine | undefined {
  if (!line.includes('"processes":')) return undefined;
  return JSON.parse(line) as CallLine;
}

/**
 * Reads what calls have cost from the log of a driver of this project.
 * @param output what the driver has printed so far.
 * @returns gives the cost of the calls that have ended since it was called last.
 */
export function createCostReader(output: () => string): () => Cost {
  let read = 0;
  return () => {
    const text = output().slice(read);
    const end = text.lastIndexOf('\n') + 1;
    read += end;
    const lines = text.slice(0, end).split('\n').map(readLine);
    const calls = lines.filter(line => line !== undefined);
    return {
      calls: calls.length,
      processes: calls.reduce((sum, { processes }) => sum + processes, 0),
      operations: calls.reduce((sum, { operations }) => sum + operations, 0),
    };
  };
}
