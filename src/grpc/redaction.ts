import { secretFields } from '../gen/secret-fields.ts';

const MASK = '***';

/** By message name; generated from the option csi_secret of proto/csi.proto. */
const fieldsByMessage: Readonly<Partial<Record<string, readonly string[]>>> = secretFields;

/** The keys of a map stay: which secrets came with a request is what one wants to know of them. */
function mask(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return MASK;
  return Object.fromEntries(Object.keys(value).map(key => [key, MASK]));
}

/** A copy of a method's request that may be printed: the fields that the proto marks csi_secret are masked. */
export function redactRequest(method: string, request: object): object {
  const fields = fieldsByMessage[`${method}Request`] ?? [];
  const entries = Object.entries(request).map(([field, value]: [string, unknown]) => [
    field,
    fields.includes(field) ? mask(value) : value,
  ]);
  return Object.fromEntries(entries) as object;
}
