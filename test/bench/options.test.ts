import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseOptions } from '../../bench/options.ts';

it('reads parameters from the command line, and secrets from a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bench-options-'));
  const file = join(directory, 'secret.json');
  try {
    await writeFile(file, '{"userID": "u", "userKey": "k"}');
    const args = ['--endpoint', 'unix:///s', '--parameters', '{"pool":"p"}', '--secrets', file];
    expect(await parseOptions(args)).toMatchObject({
      backends: ['rbd'],
      parameters: { pool: 'p' },
      secrets: { userID: 'u', userKey: 'k' },
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

it.each([
  [['--concurrency', '1,none'], '--concurrency: "none"'],
  [['--operations', 'create,grow'], '--operations: "grow" is not one of create, '],
  [['--backend', 'nfs'], '--backend: "nfs" is not one of rbd, cephfs'],
  [['--endpoint', 'unix:///s', '--backend', 'rbd,cephfs'], 'an endpoint has one backend'],
  [['--parameters', '{"size":1}'], '--parameters: not an object of strings'],
  [['--compare'], '--compare FILE'],
  [['a.json'], '--compare FILE'],
])('%j is refused', async (args, reason) => {
  await expect(parseOptions(args)).rejects.toThrow(reason);
});
