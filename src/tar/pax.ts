import { ArchiveError } from './entry.ts';

/** A pax extended header (POSIX.1-2017, pax, "pax Header File Format"): records `LENGTH KEY=VALUE\n`. */
export type PaxRecords = ReadonlyMap<string, string>;

/** @throws ArchiveError when it is malformed, or has a key twice. */
export function parsePax(bytes: Buffer): PaxRecords {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const digits = /^[1-9]\d{0,6}(?= )/.exec(bytes.toString('latin1', at, at + 8))?.[0];
    const end = at + Number(digits);
    const start = at + (digits?.length ?? 0) + 1;
    const equals = bytes.indexOf('=', start);
    if (!(end <= bytes.length) || equals <= start || equals >= end || bytes[end - 1] !== 0x0a)
      throw new ArchiveError('a pax header is malformed');
    const key = bytes.toString('latin1', start, equals);
    if (records.has(key)) throw new ArchiveError('a pax header has a key twice');
    records.set(key, bytes.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** @param records keys and values as latin1 text. */
export function encodePax(records: PaxRecords): Buffer {
  const lines = [...records].map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    // the length counts its own digits, which can add one
    const guess = rest.length + String(rest.length).length;
    return `${rest.length + String(guess).length}${rest}`;
  });
  return Buffer.from(lines.join(''), 'latin1');
}
