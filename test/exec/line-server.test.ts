import { expect, it } from 'vitest';
import { startLineServer } from '../../src/exec/line-server.ts';

/** Collects what a program says, and resolves when it has said so many lines, or ended. */
function startCollecting(program: string, args: readonly string[]) {
  const lines: string[] = [];
  const ended = Promise.withResolvers<string>();
  let awaited = 0;
  let said = Promise.withResolvers<undefined>();
  const server = startLineServer({
    program,
    args,
    onLine(line) {
      lines.push(line);
      if (lines.length >= awaited) said.resolve(undefined);
    },
    onEnd: ended.resolve,
  });
  return {
    server,
    lines,
    ended: ended.promise,
    waitFor: async (count: number) => {
      awaited = count;
      if (lines.length >= count) return;
      said = Promise.withResolvers<undefined>();
      await said.promise;
    },
  };
}

it('answers lines with lines, and ends with its input', async () => {
  const { server, lines, waitFor, ended } = startCollecting('cat', []);
  server.send('one');
  await waitFor(1);
  server.send('zwei äöü');
  await waitFor(2);
  expect(lines).toEqual(['one', 'zwei äöü']);
  server.stop();
  await expect(ended).resolves.toBe('cat exited 0');
});

it('is killed when it does not end with its input', async () => {
  const { server, ended } = startCollecting('sleep', ['600']);
  server.stop();
  await expect(ended).resolves.toBe('sleep was ended by SIGKILL');
});

it('tells what it complained about when it ends by itself', async () => {
  const { ended } = startCollecting('ls', ['/does/not/exist']);
  await expect(ended).resolves.toMatch(/^ls exited 2: .*No such file or directory/);
});

it('tells that it is not installed', async () => {
  const { server, ended } = startCollecting('no-such-program', []);
  server.send('lost');
  await expect(ended).resolves.toMatch(/^no-such-program could not be started: .*ENOENT/);
});
