/**
 * Writes src/gen from proto/csi.proto: the types of all messages and services, the schema that the driver loads, and
 * the table of the fields that hold secrets. With `--check` it writes nothing, and exits 1 when src/gen is not what it would write.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
// Loading it gives protobufjs the google/protobuf files that the proto imports.
import '@grpc/proto-loader';
import protobuf from 'protobufjs';

const root = join(import.meta.dirname, '..');
const proto = 'proto/csi.proto';
const target = join(root, 'src/gen');
const generator = join(root, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js');

/** These say the same as the options that src/grpc/contract.ts loads the schema with. */
const options = ['--keepCase', '--longs=String', '--enums=String', '--defaults', '--oneofs'];

async function generateTypes(directory: string): Promise<void> {
  const output = ['--grpcLib=@grpc/grpc-js', '--importFileExtension=.ts', '--includeComments'];
  const args = [generator, ...options, ...output, '-O', directory, proto];
  await promisify(execFile)(process.execPath, args, { cwd: root });
}

function listTypes(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap(nested => [
    ...(nested instanceof protobuf.Type ? [nested] : []),
    ...(nested instanceof protobuf.Namespace ? listTypes(nested) : []),
  ]);
}

function listRequests(namespace: protobuf.Namespace): Set<protobuf.Type> {
  const services = namespace.nestedArray.filter(nested => nested instanceof protobuf.Service);
  const methods = services.flatMap(service => service.methodsArray);
  return new Set(methods.map(method => namespace.lookupType(method.requestType)));
}

/**
 * The `csi_secret` fields of each request. The loader drops custom options of fields, so the driver cannot read
 * them when it runs.
 * @throws Error for a secret deeper in a request: redaction would have to learn to look there.
 */
async function generateSecretFields(schema: protobuf.Root, directory: string): Promise<void> {
  const namespace = schema.lookup('csi.v1');
  if (!(namespace instanceof protobuf.Namespace)) throw new Error(`${proto} has no package csi.v1`);
  const requests = listRequests(namespace);
  const entries = listTypes(namespace).flatMap(type => {
    const fields = type.fieldsArray.filter(field => field.getOption('(csi_secret)') === true);
    if (fields.length === 0) return [];
    if (!requests.has(type))
      throw new Error(`csi_secret in ${type.name}, which is not the request of a method`);
    return [`  ${type.name}: [${fields.map(field => `'${field.name}'`).join(', ')}],`];
  });
  const head = `// Original file: ${proto}\n\n/** The fields with the option csi_secret, by message. */\n`;
  const text = [`${head}export const secretFields = {`, ...entries, '} as const;', ''].join('\n');
  await writeFile(join(directory, 'secret-fields.ts'), text);
}

/** The proto as JSON: it is part of the program, wherever that lies, and need not be parsed at each start. */
async function generateSchema(schema: protobuf.Root, directory: string): Promise<void> {
  await writeFile(join(directory, 'schema.json'), `${JSON.stringify(schema.toJSON(), null, 1)}\n`);
}

async function readTree(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const contents = files.map(
    async file => [relative(directory, file), await readFile(file, 'utf8')] as const,
  );
  return new Map(await Promise.all(contents));
}

async function listStale(fresh: string): Promise<string[]> {
  const [wanted, present] = await Promise.all([readTree(fresh), readTree(target)]);
  const names = new Set([...wanted.keys(), ...present.keys()]);
  return [...names].filter(name => wanted.get(name) !== present.get(name));
}

const cache = join(root, '.cache');
await mkdir(cache, { recursive: true });
// On the file system of src/gen, so that it can be renamed into place.
const scratch = await mkdtemp(join(cache, 'generate-'));
try {
  const fresh = join(scratch, 'gen');
  await generateTypes(fresh);
  const schema = await new protobuf.Root().load(join(root, proto), { keepCase: true });
  await generateSchema(schema, fresh);
  await generateSecretFields(schema, fresh);
  if (process.argv.includes('--check')) {
    const stale = await listStale(fresh);
    if (stale.length > 0) {
      console.error(`src/gen is not what ${proto} gives; run \`npm run generate\`:\n  ${stale.join('\n  ')}`);
      process.exitCode = 1;
    }
  } else {
    await rm(target, { recursive: true, force: true });
    await rename(fresh, target);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
