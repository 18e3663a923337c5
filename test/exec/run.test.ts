import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createExec } from '../../src/exec/run.ts';
import { createExecStream } from '../../src/exec/stream.ts';
import { DriverError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { createTestContext } from './fake-exec.ts';

const exec = createExec();
const timeout = 60_000;

describe('a program that ends', () => {
  it('gives exit code, output and errors', async () => {
    const result = await exec(
      { program: 'sh', args: ['-c', 'echo out; echo err >&2; exit 17'], timeout },
      createTestContext(),
    );
    expect(result).toEqual({ exitCode: 17, stdout: 'out\n', stderr: 'err\n' });
  });

  it('gets each argument as it is, without a shell', async () => {
    const args = ['%s|', "it's", '$HOME', '"a b"', '*', ''];
    const result = await exec({ program: 'printf', args, timeout }, createTestContext());
    expect(result.stdout).toBe('it\'s|$HOME|"a b"|*||');
  });

  it('reads the input that it is given, and nothing otherwise', async () => {
    const given = await exec({ program: 'cat', args: [], input: 'hello', timeout }, createTestContext());
    const none = await exec({ program: 'cat', args: [], timeout }, createTestContext());
    expect([given.stdout, none.stdout]).toEqual(['hello', '']);
  });

  it('speaks English and UTC and inherits nothing else', async () => {
    process.env['CEPH_ARGS'] = '--key stray';
    const result = await exec(
      { program: 'env', args: [], env: { EXTRA: '1' }, timeout },
      createTestContext(),
    );
    delete process.env['CEPH_ARGS'];
    expect(
      result.stdout
        .split('\n')
        .filter(Boolean)
        .map(line => line.split('=')[0])
        .sort(),
    ).toEqual(['EXTRA', 'LC_ALL', 'PATH', 'TZ']);
  });

  it('reports each process', async () => {
    const started: string[] = [];
    await exec(
      { program: 'true', args: [], timeout },
      createTestContext({ onProcess: name => started.push(name) }),
    );
    expect(started).toEqual(['true']);
  });
});

describe('a secret argument', () => {
  it('is taken out of what the program complains about', async () => {
    const args = ['-c', 'echo "cannot read $(cat "$1")" >&2', 'sh', { secret: new Secret('the key') }];
    const { stderr } = await exec({ program: 'sh', args, timeout }, createTestContext());
    expect(stderr).toBe('cannot read ***\n');
  });

  it('reaches the program as a file, not in argv, and leaves nothing behind', async () => {
    const before = readdirSync('/dev/shm').filter(name => name.startsWith('csi-driver-ceph-'));
    const key = new Secret('c2VjcmV0');
    const script = 'cat "$1" "$2"; tr "\\0" " " < /proc/$$/cmdline';
    const result = await exec(
      { program: 'sh', args: ['-c', script, 'sh', { secret: key }, { secret: new Secret('two') }], timeout },
      createTestContext(),
    );
    expect(result.stdout.startsWith('c2VjcmV0two')).toBe(true);
    expect(result.stdout.slice('c2VjcmV0two'.length)).not.toContain('c2VjcmV0');
    expect(readdirSync('/dev/shm').filter(name => name.startsWith('csi-driver-ceph-'))).toEqual(before);
  });

  it('reaches a program whose output is read while it runs', async () => {
    let text = '';
    const command = { program: 'cat', args: [{ secret: new Secret('three') }], timeout };
    for await (const piece of createExecStream()(command, createTestContext(), () => undefined))
      text += piece;
    expect(text).toBe('three');
  });

  it('leaves no descriptor open in the driver', async () => {
    const count = () => readdirSync('/proc/self/fd').length;
    await exec({ program: 'true', args: [], timeout }, createTestContext());
    const before = count();
    for (let turn = 0; turn < 5; turn += 1) {
      await exec({ program: 'cat', args: [{ secret: new Secret('x') }], timeout }, createTestContext());
    }
    expect(count()).toBeLessThanOrEqual(before + 1);
  });
});

describe('a program that does not end by itself', () => {
  it('is stopped when the caller goes, with the reason of the abort', async () => {
    const controller = new AbortController();
    const context = createTestContext({
      signal: controller.signal,
      onProcess: () =>
        setTimeout(() => {
          controller.abort(new DriverError('deadline-exceeded', 'the deadline passed'));
        }, 50),
    });
    const running = exec({ program: 'sleep', args: ['600'], timeout: 600_000 }, context);
    await expect(running).rejects.toMatchObject({
      kind: 'deadline-exceeded',
      message: 'sleep was stopped: the deadline passed',
    });
  });

  it('is not started when the caller has gone already', async () => {
    const started: string[] = [];
    const context = createTestContext({ signal: AbortSignal.abort(), onProcess: name => started.push(name) });
    await expect(exec({ program: 'true', args: [], timeout }, context)).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(started).toEqual([]);
  });

  it('goes on when it must not be ended half-way', async () => {
    const controller = new AbortController();
    const context = createTestContext({
      signal: controller.signal,
      onProcess: () => setTimeout(() => controller.abort(), 20),
    });
    const script = 'sleep 0.3; echo finished';
    const result = await exec(
      { program: 'sh', args: ['-c', script], timeout, uninterruptible: true },
      context,
    );
    expect(result.stdout).toBe('finished\n');
  });

  it('is ended by SIGKILL when it ignores SIGTERM, before the call returns', async () => {
    let pid = 0;
    const script = 'trap "" TERM; echo $$ > /proc/self/fd/1; while :; do sleep 0.1; done';
    const running = exec(
      { program: 'sh', args: ['-c', script], timeout: 300 },
      createTestContext({
        log: {
          debug: () => undefined,
          info: () => undefined,
          warn: () => undefined,
          error: () => undefined,
        },
      }),
    );
    const error: unknown = await running.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'deadline-exceeded' });
    pid = process.pid;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    expect(
      children
        .split(' ')
        .filter(child => child !== '')
        .map(child => {
          try {
            return readFileSync(`/proc/${child}/cmdline`, 'utf8');
          } catch {
            return '';
          }
        })
        .filter(line => line.includes('trap')),
    ).toEqual([]);
  });
});

describe('a program that cannot be used', () => {
  it('names one that is not installed', async () => {
    await expect(
      exec({ program: 'no-such-program', args: [], timeout }, createTestContext()),
    ).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: 'the program no-such-program is not installed here',
    });
  });

  it('names the signal that ended it', async () => {
    const running = exec({ program: 'sh', args: ['-c', 'kill -9 $$'], timeout }, createTestContext());
    await expect(running).rejects.toMatchObject({ kind: 'internal', message: 'sh was ended by SIGKILL' });
  });

  it('stops one that prints without end', async () => {
    const running = exec({ program: 'yes', args: [], timeout, maximumOutput: 100_000 }, createTestContext());
    await expect(running).rejects.toMatchObject({
      kind: 'internal',
      message: 'yes printed more than 100000 bytes',
    });
  });
});
