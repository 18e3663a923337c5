import { DriverError } from '../model/errors.ts';

/** Ceph's JSON: what is needed is checked, what else it has is left alone, as it grows with each release. */
export type JsonObject = Readonly<Partial<Record<string, unknown>>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function failField(object: JsonObject, key: string, expected: string): never {
  const value = key in object ? JSON.stringify(object[key]) : 'absent';
  throw new DriverError('internal', `Ceph's answer: "${key}" should be ${expected}, and is ${value}`);
}

export function stringOf(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === 'string' ? value : failField(object, key, 'a string');
}

/** A whole number that JSON carries exactly: sizes of images are below 2^53 bytes. */
export function numberOf(object: JsonObject, key: string): number {
  const value = object[key];
  return typeof value === 'number' && Number.isSafeInteger(value)
    ? value
    : failField(object, key, 'a whole number');
}

export function arrayOf(value: unknown, what: string): readonly JsonObject[] {
  if (!Array.isArray(value)) throw new DriverError('internal', `${what}: the answer is not a list`);
  return value.map((item: unknown) => {
    if (!isObject(item)) throw new DriverError('internal', `${what}: the list holds something else`);
    return item;
  });
}

/** `Tue Nov 24 15:38:45 2026`, in UTC as src/exec runs every program. */
export function timeOf(object: JsonObject, key: string): Date {
  const time = new Date(`${stringOf(object, key)} UTC`);
  return Number.isNaN(time.getTime()) ? failField(object, key, 'a time') : time;
}
