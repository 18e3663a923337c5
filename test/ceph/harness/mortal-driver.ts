import { expect } from 'vitest';
import type { Exec } from '../../../src/exec/command.ts';
import { createExec } from '../../../src/exec/run.ts';

interface MortalExec {
  readonly exec: Exec;
  readonly programs: readonly string[];
}

/** Runs programs like a driver that is killed when one of them has ended: none is run after it, not even to undo. */
function createMortalExec(lives: number): MortalExec {
  const exec = createExec();
  const programs: string[] = [];
  return {
    programs,
    exec: async (command, callContext) => {
      if (programs.length >= lives) throw new Error('the driver was killed');
      programs.push(command.program);
      const result = await exec(command, callContext);
      if (programs.length >= lives) throw new Error('the driver was killed');
      return result;
    },
  };
}

/**
 * Runs `work` with a driver that is killed after its first program, then after its second, and so on, until one
 * survives; `recover` after each death. Resolves to the number of programs.
 */
export async function killAfterEachProgram<Backend>(
  start: (options: { readonly exec: Exec }) => Backend,
  work: (backend: Backend) => Promise<void>,
  recover: () => Promise<void>,
): Promise<number> {
  for (let lives = 1; ; lives += 1) {
    const { exec, programs } = createMortalExec(lives);
    const died = await work(start({ exec })).then(
      () => false,
      () => programs.length >= lives,
    );
    if (!died) {
      expect(programs.length).toBeLessThan(lives);
      return lives - 1;
    }
    await recover();
  }
}
