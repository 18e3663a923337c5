import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';

it('shows itself to nobody who only prints it', () => {
  const secret = new Secret('hidden');
  const printed = [
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }),
    JSON.stringify(Object.entries(secret)),
  ];
  expect(printed.join(' ')).not.toContain('hidden');
  expect(secret.reveal()).toBe('hidden');
});
