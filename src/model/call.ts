/** The part of a pino logger that the driver's code uses. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What everything that runs on behalf of somebody receives: how long it may go on, and where it reports. */
export interface Context {
  /** Aborted when the caller's deadline passes, the caller goes away, or the driver shuts down. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called once for each process started; the log line of an RPC tells their number. */
  readonly onProcess?: (program: string) => void;
  /** Called once for each operation that is sent over a connection which stays open. */
  readonly onOperation?: (operation: string) => void;
}
