import { expect, it } from 'vitest';
import { DriverError } from '../../src/model/errors.ts';
import { canRestoreFromGroups } from '../../src/ceph/rbd-group.ts';
import { createAvailability } from '../../src/exec/availability.ts';
import { createFakeExec, createTestContext } from './fake-exec.ts';

const clone = { argv: ['rbd', 'help', 'clone'], stdout: 'usage: rbd clone [--snap-id <snap-id>]' };
const info = { argv: ['rbd', 'help', 'group', 'snap', 'info'], stdout: 'usage: rbd group snap info' };
const { log } = createTestContext();

it('is asked for when somebody wants to know, and then once for all', async () => {
  const { exec, commands } = createFakeExec([clone, info]);
  const canGroupSnapshots = createAvailability(canRestoreFromGroups, exec, log);
  expect(commands).toHaveLength(0);
  expect(await Promise.all([canGroupSnapshots(), canGroupSnapshots()])).toEqual([true, true]);
  expect(await canGroupSnapshots()).toBe(true);
  expect(commands).toHaveLength(2);
});

it('is asked for again when that failed', async () => {
  const error = new DriverError('deadline-exceeded', 'rbd did not end within 30 s');
  const { exec } = createFakeExec([{ ...clone, error }, info, clone, info]);
  const canGroupSnapshots = createAvailability(canRestoreFromGroups, exec, log);
  await expect(canGroupSnapshots()).rejects.toBe(error);
  expect(await canGroupSnapshots()).toBe(true);
});
