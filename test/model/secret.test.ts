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

it('takes itself out of what others print', () => {
  const text = "auth: failed to decode key 'hidden'";
  expect(new Secret('hidden\n').redact(text)).toBe("auth: failed to decode key '***'");
  expect(new Secret('').redact(text)).toBe(text);
});
