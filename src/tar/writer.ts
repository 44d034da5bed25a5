import type { TarEntry } from './entry.ts';
import { encodeHeader, headerLimits } from './header.ts';
import { encodePax } from './pax.ts';
import { fillingOf } from './reader.ts';

/** The end of an archive: two blocks of zero bytes. */
export const endMark = Buffer.alloc(1024);

/** Returns what stands before the content of an entry. */
export function encodeEntry(entry: TarEntry): Buffer {
  const { kind, path, target, mode, size, sparseLength } = entry;
  const whole = /^\d+$/.test(entry.mtime) ? Number(entry.mtime) : Number.NaN;
  const fits = (text: string) => text.length <= headerLimits.name;
  const isSmall = (value: number) => value <= headerLimits.number; // false for NaN
  const records = new Map<string, string>();
  if (sparseLength !== undefined) {
    records.set('GNU.sparse.major', '1').set('GNU.sparse.minor', '0');
    records.set('GNU.sparse.name', path).set('GNU.sparse.realsize', String(sparseLength));
  } else if (!fits(path)) records.set('path', path);
  if (!fits(target)) records.set('linkpath', target);
  if (!isSmall(whole)) records.set('mtime', entry.mtime);
  if (!isSmall(size)) records.set('size', String(size));
  for (const [name, value] of entry.attributes) records.set(`SCHILY.xattr.${name}`, value);
  const header = encodeHeader({
    kind,
    name: path.slice(0, headerLimits.name),
    target: target.slice(0, headerLimits.name),
    mode,
    size: isSmall(size) ? size : 0,
    mtime: isSmall(whole) ? whole : 0,
  });
  if (records.size === 0) return header;
  const pax = encodePax(records);
  const before = { kind: 'pax', name: 'pax', target: '', mode: 0o644, size: pax.length, mtime: 0 } as const;
  return Buffer.concat([encodeHeader(before), pax, Buffer.alloc(fillingOf(pax.length)), header]);
}
