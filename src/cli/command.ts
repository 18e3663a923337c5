/** A command of the program: takes what stands behind its name and gives the exit code. */
export interface CliCommand {
  readonly name: string;
  readonly summary: string;
  run(argv: readonly string[]): Promise<number>;
}
