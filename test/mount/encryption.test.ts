import { expect, it } from 'vitest';
import type { CommandResult } from '../../src/exec/command.ts';
import { Secret } from '../../src/model/secret.ts';
import { closeDecrypted, openEncrypted } from '../../src/mount/encryption.ts';
import { createFakeExec, createTestContext, type ScriptedCall } from '../exec/fake-exec.ts';
import { createMark, describeOnNode } from './node-lab.ts';

const PASSPHRASE = 'open sesame';

/** What the tests of a real node cannot show: what the programs are given, and what is done when they fail. */
describeOnNode('encryption', lab => {
  function setUp(script: (device: string) => readonly ScriptedCall[], isSet = false) {
    const { device } = lab().createDevice(32);
    const fake = createFakeExec(script(device));
    const mark = createMark(isSet);
    const steps: string[] = [];
    const request = {
      device,
      name: 'csi-test',
      passphrase: new Secret(PASSPHRASE),
      readOnly: false,
      mark,
      beforeFormat: () => {
        steps.push(mark.isSetNow() ? 'marked' : 'asked first');
        return Promise.resolve();
      },
    };
    return { fake, mark, request, steps, host: { exec: fake.exec, context: createTestContext() } };
  }

  const probe = (device: string, result: Partial<CommandResult>): ScriptedCall => ({
    argv: ['blkid', '--probe', '--output', 'export', device],
    ...result,
  });
  const blank = (device: string): readonly ScriptedCall[] => [
    probe(device, { exitCode: 2 }),
    { argv: ['cmp', '--silent', '--bytes=1048576', '--ignore-initial=0:0', device, '/dev/zero'] },
    { argv: ['cmp', '--silent', '--bytes=1048576', `--ignore-initial=${31 << 20}:0`, device, '/dev/zero'] },
  ];
  const open = (device: string, access: readonly string[] = []): readonly string[] => [
    ...['cryptsetup', '--batch-mode', 'open', '--type', 'luks', ...access],
    ...['--allow-discards', '--disable-keyring', '--key-file', '***', device, 'csi-test'],
  ];
  const format = (device: string): readonly string[] => [
    ...['cryptsetup', '--batch-mode', 'luksFormat', '--type', 'luks2', '--label', 'csi-driver-ceph'],
    ...['--pbkdf', 'argon2id', '--pbkdf-memory', '65536', '--pbkdf-force-iterations', '4'],
    ...['--pbkdf-parallel', '1', '--key-file', '***', device],
  ];
  const luks = { stdout: 'TYPE=crypto_LUKS\nUSAGE=crypto\n' };

  it('formats a blank device once nobody else does, marked until it is complete, without a key in argv', async () => {
    const { fake, mark, request, steps, host } = setUp(device => [
      ...blank(device),
      { argv: format(device) },
      { argv: open(device), exitCode: 1, stderr: 'Cannot initialize device-mapper.' },
    ]);
    await expect(openEncrypted(request, host)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('Cannot initialize device-mapper') as unknown,
    });
    expect(steps).toEqual(['asked first']);
    expect(mark.isSetNow()).toBe(true);
    expect(JSON.stringify(fake.commands)).not.toContain(PASSPHRASE);
    expect(fake.commands.find(({ args }) => args.includes('luksFormat'))?.uninterruptible).toBe(true);
    fake.expectAllUsed();
  });

  it('formats again what was interrupted, whatever is there', async () => {
    const { fake, request, host } = setUp(
      device => [{ argv: format(device), exitCode: 1, stderr: 'no memory' }],
      true,
    );
    await expect(openEncrypted(request, host)).rejects.toThrow('no memory');
    fake.expectAllUsed();
  });

  it('only opens what is encrypted, and tells a wrong passphrase from anything else', async () => {
    const { fake, mark, request, host } = setUp(device => [
      probe(device, luks),
      { argv: open(device, ['--readonly']), exitCode: 2, stderr: 'No key available with this passphrase.' },
    ]);
    await expect(openEncrypted({ ...request, readOnly: true }, host)).rejects.toMatchObject({
      kind: 'unauthenticated',
      message: expect.stringContaining('encryptionPassphrase does not open') as unknown,
    });
    expect(mark.isSetNow()).toBe(false);
    fake.expectAllUsed();
  });

  it.each([
    ['a file system', { stdout: 'TYPE=xfs\nUSAGE=filesystem\n' }, 'holds a xfs file system'],
    ['a partition table', { stdout: 'PTTYPE=gpt\n' }, 'holds a partition table (gpt)'],
  ])('never formats a device with %s', async (_, content, message) => {
    const { fake, request, host } = setUp(device => [probe(device, content)]);
    await expect(openEncrypted(request, host)).rejects.toThrow(message);
    fake.expectAllUsed();
  });

  it('does not format a device that is read-only', async () => {
    const { fake, request, host } = setUp(blank);
    await expect(openEncrypted({ ...request, readOnly: true }, host)).rejects.toThrow('holds nothing');
    fake.expectAllUsed();
  });

  it('has nothing to close where nothing is open', async () => {
    const { host } = setUp(() => []);
    await closeDecrypted({ name: 'csi-test' }, host);
  });
});
