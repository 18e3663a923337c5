import { describe, expect, test } from 'vitest';
import { parseEndpoint } from '../../src/grpc/endpoint.ts';

describe('parseEndpoint', () => {
  test.each([
    ['unix:///csi/csi.sock', { type: 'unix', path: '/csi/csi.sock' }],
    ['unix:/csi/csi.sock', { type: 'unix', path: '/csi/csi.sock' }],
    ['tcp://127.0.0.1:0', { type: 'tcp', address: '127.0.0.1:0' }],
    ['tcp://[::1]:9000', { type: 'tcp', address: '[::1]:9000' }],
  ])('reads %s', (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected);
  });

  test.each(['', 'csi.sock', 'unix://csi.sock', 'tcp://host', 'http://host:80', '/csi/csi.sock'])(
    'refuses "%s", and says what is valid',
    text => {
      expect(() => parseEndpoint(text)).toThrow(
        `endpoint: "${text}" is neither unix:///absolute/path nor tcp://host:port`,
      );
    },
  );

  test('refuses a path that a socket cannot have', () => {
    expect(parseEndpoint(`unix:///${'a'.repeat(106)}`)).toMatchObject({ type: 'unix' });
    expect(() => parseEndpoint(`unix:///${'a'.repeat(107)}`)).toThrow('longer than the 107 bytes');
  });
});
