import { inspect } from 'node:util';

/** A key or passphrase. Whatever prints it, in a log line, an error or a JSON document, shows `***`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for the one place that hands it to a program. */
  reveal(): string {
    return this.#value;
  }

  /** Takes the value out of what a program says: Ceph's tell a key that they cannot read. */
  redact(text: string): string {
    const value = this.#value.trim();
    return value === '' ? text : text.replaceAll(value, '***');
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}

/** The secrets of a CSI request (`map<string, string> secrets`), each value wrapped. */
export type Secrets = Readonly<Partial<Record<string, Secret>>>;
