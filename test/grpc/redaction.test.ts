import { describe, expect, test } from 'vitest';
import { secretFields } from '../../src/gen/secret-fields.ts';
import { redactRequest } from '../../src/grpc/redaction.ts';

describe('redactRequest', () => {
  test.each(Object.entries(secretFields))('masks what the contract calls secret in %s', (message, fields) => {
    const request = Object.fromEntries(fields.map(field => [field, { userKey: 'topsecret' }]));
    const redacted = redactRequest(message.replace(/Request$/, ''), { volume_id: 'v', ...request });
    expect(redacted).toMatchObject({ volume_id: 'v' });
    expect(JSON.stringify(redacted)).not.toContain('topsecret');
  });

  test('keeps the names of the secrets, and the request itself', () => {
    const request = { name: 'v', secrets: { userID: 'a', userKey: 'b' } };
    expect(redactRequest('CreateVolume', request)).toEqual({
      name: 'v',
      secrets: { userID: '***', userKey: '***' },
    });
    expect(request.secrets.userKey).toBe('b');
  });
});
