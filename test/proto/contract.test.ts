import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
// Loading it gives protobufjs the google/protobuf files that the proto imports.
import '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { secretFields } from '../../src/gen/secret-fields.ts';
import { csi } from '../../src/grpc/contract.ts';

/** The specification's contract, each entry as one line of text; written once, and never from the proto. */
interface Table {
  readonly services: Record<string, Record<string, string>>;
  readonly messages: Record<string, Record<string, string>>;
  readonly enums: Record<string, Record<string, number>>;
}

const root = join(import.meta.dirname, '../..');
const prefix = '.csi.v1.';

function nameOf(object: protobuf.ReflectionObject): string {
  return object.fullName.startsWith(prefix) ? object.fullName.slice(prefix.length) : object.fullName.slice(1);
}

function mark(options: Record<string, unknown> | undefined, option: string, label: string): string {
  return options?.[`(${option})`] === true ? ` [${label}]` : '';
}

function describeField(field: protobuf.Field): string {
  const base = field.resolvedType === null ? field.type : nameOf(field.resolvedType);
  const type = field instanceof protobuf.MapField ? `map<${field.keyType}, ${base}>` : base;
  const oneof = field.partOf === null ? '' : ` (oneof ${field.partOf.name})`;
  const marks = mark(field.options, 'csi_secret', 'secret') + mark(field.options, 'alpha_field', 'alpha');
  return `${field.repeated ? 'repeated ' : ''}${type}${oneof}${marks}`;
}

function describeMethod(method: protobuf.Method): string {
  const stream = method.responseStream === true ? 'stream ' : '';
  return `${method.requestType} -> ${stream}${method.responseType}${mark(method.options, 'alpha_method', 'alpha')}`;
}

function addToTable(table: Table, namespace: protobuf.NamespaceBase): void {
  for (const nested of namespace.nestedArray) {
    const name = nameOf(nested);
    if (nested instanceof protobuf.Type) {
      const fields = nested.fieldsArray.map(field => [`${field.id} ${field.name}`, describeField(field)]);
      const key = name + mark(nested.options, 'alpha_message', 'alpha');
      table.messages[key] = Object.fromEntries(fields) as Record<string, string>;
      addToTable(table, nested);
    } else if (nested instanceof protobuf.Enum) {
      const values = Object.entries(nested.values).map(([value, number]) => {
        const options = nested.valuesOptions?.[value];
        return [value + mark(options, 'alpha_enum_value', 'alpha'), number];
      });
      table.enums[name] = Object.fromEntries(values) as Record<string, number>;
    } else if (nested instanceof protobuf.Service) {
      const methods = nested.methodsArray.map(method => [method.name, describeMethod(method)]);
      const key = name + mark(nested.options, 'alpha_service', 'alpha');
      table.services[key] = Object.fromEntries(methods) as Record<string, string>;
    }
  }
}

describe('proto/csi.proto', () => {
  let expected: Table;
  const loaded: Table = { services: {}, messages: {}, enums: {} };
  let schema: protobuf.Root;

  beforeAll(async () => {
    expected = JSON.parse(await readFile(join(import.meta.dirname, 'csi-1.12.json'), 'utf8')) as Table;
    schema = await new protobuf.Root().load(join(root, 'proto/csi.proto'), { keepCase: true });
    schema.resolveAll();
    addToTable(loaded, schema.lookup('csi.v1') as protobuf.Namespace);
  });

  test('has the services and methods of CSI 1.12', () => {
    expect(loaded.services).toEqual(expected.services);
  });

  test('has the messages of CSI 1.12: fields, numbers, types, options', () => {
    expect(loaded.messages).toEqual(expected.messages);
  });

  test('has the enums of CSI 1.12', () => {
    expect(loaded.enums).toEqual(expected.enums);
  });

  test.each([
    ['EnumOptions', 'alpha_enum', 1060],
    ['EnumValueOptions', 'alpha_enum_value', 1060],
    ['FieldOptions', 'csi_secret', 1059],
    ['FieldOptions', 'alpha_field', 1060],
    ['MessageOptions', 'alpha_message', 1060],
    ['MethodOptions', 'alpha_method', 1060],
    ['ServiceOptions', 'alpha_service', 1060],
  ])('extends %s with %s', (extended, name, id) => {
    const field = schema.lookup(`csi.v1.${name}`) as protobuf.Field;
    expect([field.extend, field.type, field.id]).toEqual([`google.protobuf.${extended}`, 'bool', id]);
  });

  test('the table of secret fields in src/gen is that of the contract', () => {
    const secrets = Object.entries(expected.messages).flatMap(([message, fields]) => {
      const names = Object.entries(fields).filter(([, type]) => type.includes('[secret]'));
      return names.length === 0 ? [] : [[message, names.map(([field]) => field.split(' ')[1])]];
    });
    expect(secretFields).toEqual(Object.fromEntries(secrets));
  });
});

describe('what is loaded at run time', () => {
  test('has all methods under the paths that clients call', () => {
    const methods = Object.values(csi).map(service => Object.keys(service as object).length);
    expect(methods).toEqual([3, 15, 4, 2, 8]);
    expect(csi.Controller.CreateVolume.path).toBe('/csi.v1.Controller/CreateVolume');
  });

  test('reads 64-bit numbers and enums as text, and gives defaults for what is absent', () => {
    const bytes = csi.Controller.CreateVolume.requestSerialize({
      name: 'v',
      capacity_range: { required_bytes: '9223372036854775807' },
      volume_capabilities: [{ mount: {}, access_mode: { mode: 'MULTI_NODE_READER_ONLY' } }],
    });
    expect(csi.Controller.CreateVolume.requestDeserialize(bytes)).toMatchObject({
      name: 'v',
      capacity_range: { required_bytes: '9223372036854775807', limit_bytes: '0' },
      volume_capabilities: [
        {
          access_type: 'mount',
          mount: { fs_type: '', mount_flags: [] },
          access_mode: { mode: 'MULTI_NODE_READER_ONLY' },
        },
      ],
      parameters: {},
      secrets: {},
      volume_content_source: null,
    });
  });
});
