import { describe, expect, it } from 'vitest';
import { failureOf, parseOutput } from '../../src/ceph/failure.ts';
import { Secret } from '../../src/model/secret.ts';

const connection = { monitors: ['mon-a:6789', 'mon-b:6789'], userId: 'csi', key: new Secret('hidden') };
const attempt = { what: 'rbd ls rbd', connection };

/** Exit codes and messages as Ceph 16.2.15 gave them. */
describe('what a failed program means', () => {
  it.each([
    [
      110,
      "2026-11-24T15:24:57.640+0000 7f766a0db380  0 monclient(hunting): authenticate timed out after 3\n\nrbd: couldn't connect to the cluster!\nrbd: listing images failed: (110) Connection timed out\n",
      'unavailable',
      'the monitors at mon-a:6789, mon-b:6789 cannot be reached',
    ],
    [
      13,
      "rbd: couldn't connect to the cluster!\nrbd: listing images failed: (13) Permission denied\n",
      'unauthenticated',
      'refused the key of client.csi',
    ],
    [
      22,
      "unable to parse addrs in 'nosuchhost:6789'\nrbd: couldn't connect to the cluster!\nrbd: listing images failed: (22) Invalid argument",
      'invalid-argument',
      'are malformed',
    ],
    [
      2,
      "rbd: error opening pool 'nopool': (2) No such file or directory\n",
      'not-found',
      "error opening pool 'nopool'",
    ],
    [
      17,
      'rbd: image csi-vol-x already exists\nrbd: create error: (17) File exists',
      'already-exists',
      'already exists',
    ],
    [
      13,
      'Error EACCES: access denied: does your client key have mgr caps?',
      'permission-denied',
      'client.csi lacks a capability',
    ],
    [99, '', 'internal', 'exit code 99'],
  ])('exit code %i', (exitCode, stderr, kind, message) => {
    const error = failureOf({ exitCode, stdout: '', stderr }, attempt);
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(message);
    expect(error.message.startsWith('rbd ls rbd: ')).toBe(true);
  });

  it('leaves out progress and time stamps', () => {
    const stderr =
      '\rRemoving image: 1% complete...\rRemoving image: 2% complete...failed.\nrbd: delete error: (39) Directory not empty\n';
    const error = failureOf({ exitCode: 39, stdout: '', stderr }, attempt);
    expect(error).toMatchObject({ kind: 'failed-precondition' });
    expect(error.message).not.toContain('complete');
  });

  it('says that an answer is no JSON', () => {
    expect(() => parseOutput({ exitCode: 0, stdout: 'oops', stderr: '' }, 'rbd info')).toThrow(
      'rbd info: the answer is not JSON',
    );
  });
});
