import { readFile } from 'node:fs/promises';
import { createCredentialSource, type CredentialSource } from '../config/credentials.ts';
import { DOCTOR_OPTIONS, parseDoctorOptions, type DoctorOptions } from '../config/doctor-options.ts';
import { describeOptions } from '../config/settings.ts';
import { examineClusters } from '../doctor/clusters.ts';
import type { Finding } from '../doctor/finding.ts';
import { examineNode } from '../doctor/node.ts';
import { examinePrograms } from '../doctor/programs.ts';
import { createExec } from '../exec/run.ts';
import type { Context } from '../model/call.ts';
import { DriverError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import { SILENCE } from '../model/silence.ts';
import type { CliCommand } from './command.ts';
import { VERSION } from './version.ts';

const MARKS = { ok: 'ok  ', note: 'note', failed: 'FAIL' } as const;

function printHelp(): void {
  console.log(
    'Looks at a set-up as the driver sees it: the clusters and what the users may do there, the programs, and what this\n' +
      'node can map and mount. Changes nothing, and prints no key. Exits 1 when something has to be mended.\n\n' +
      `Usage: csi-driver-ceph doctor [OPTIONS]\n\nOptions, each also as an environment variable:\n${describeOptions(DOCTOR_OPTIONS)}`,
  );
}

async function readKey(file: string): Promise<Secret> {
  const key = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new DriverError('invalid-argument', `--key-file: "${file}" cannot be read: ${String(error)}`);
  });
  return new Secret(key.trim());
}

async function findCredentials({ user, credentialsDir }: DoctorOptions): Promise<CredentialSource> {
  if (user !== undefined) {
    const credentials = { userId: user.userId, key: await readKey(user.keyFile) };
    return () => credentials;
  }
  return credentialsDir === undefined ? () => undefined : createCredentialSource(credentialsDir);
}

async function* examineAll(options: DoctorOptions): AsyncGenerator<Finding, void, undefined> {
  const context: Context = { signal: new AbortController().signal, log: SILENCE };
  const exec = createExec();
  const text = `csi-driver-ceph ${VERSION}, Node.js ${process.version}`;
  yield { state: 'ok', subject: 'driver', text };
  yield* examinePrograms(exec, context);
  const credentials = await findCredentials(options);
  yield* examineClusters({ ...options, exec, credentials }, context);
  if (options.looksAtNode) yield* examineNode({ ...options, exec }, context);
}

export const doctorCommand: CliCommand = {
  name: 'doctor',
  summary: 'look at clusters, users and this node, and tell what has to be mended',

  async run(argv) {
    if (argv.includes('--help') || argv.includes('-h')) {
      printHelp();
      return 0;
    }
    let failures = 0;
    for await (const { state, subject, text } of examineAll(parseDoctorOptions(argv, process.env))) {
      console.log(`${MARKS[state]}  ${subject}: ${text.replaceAll('\n', '; ')}`);
      if (state === 'failed') failures += 1;
    }
    console.log(`\nTo be mended: ${failures === 0 ? 'nothing' : failures}`);
    return failures === 0 ? 0 : 1;
  },
};
