import { ArchiveError, type EntryKind } from './entry.ts';

/** POSIX.1-2017, pax, "ustar Interchange Format". */
export const tarBlockSize = 512;

const fields = {
  name: [0, 100],
  mode: [100, 108],
  size: [124, 136],
  mtime: [136, 148],
  checksum: [148, 156],
  target: [157, 257],
  magic: [257, 265],
  prefix: [345, 500],
} as const;

type Field = keyof typeof fields;

/** Size of the longest name, and the largest number, that a header without a pax header can have. */
export const headerLimits = { name: 100, number: 8 ** 11 - 1 } as const;

const kinds: Readonly<Record<string, EntryKind | 'pax'>> = {
  '0': 'file',
  '1': 'hard-link',
  '2': 'link',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'pipe',
  x: 'pax',
};

/** The block before the content of an entry. Text is latin1. */
export interface Header {
  readonly kind: EntryKind | 'pax';
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly size: number;
  readonly mtime: number;
}

/** @throws ArchiveError for anything but a ustar header: GNU's own extensions are not accepted. */
export function decodeHeader(block: Buffer): Header {
  if (block.toString('latin1', ...fields.magic) !== 'ustar\x0000')
    throw new ArchiveError('it is not a tar archive in POSIX format');
  if (octal(block, 'checksum') !== checksum(block))
    throw new ArchiveError('the checksum of an entry is wrong');
  const type = String.fromCharCode(block[156] ?? 0);
  const kind = kinds[type];
  if (!kind) throw new ArchiveError(`an entry has the unknown type ${JSON.stringify(type)}`);
  const prefix = text(block, 'prefix');
  return {
    kind,
    name: prefix === '' ? text(block, 'name') : `${prefix}/${text(block, 'name')}`,
    target: text(block, 'target'),
    mode: octal(block, 'mode') & 0o7777,
    size: octal(block, 'size'),
    mtime: octal(block, 'mtime'),
  };
}

/** @param header its name and target have at most `headerLimits.name` bytes, its numbers fit. */
export function encodeHeader({ kind, name, target, mode, size, mtime }: Header): Buffer {
  const block = Buffer.alloc(tarBlockSize);
  const number = (field: Field, value: number) => {
    const [from, to] = fields[field];
    block.write(value.toString(8).padStart(to - from - 1, '0'), from, 'latin1');
  };
  const type = Object.entries(kinds).find(([, candidate]) => candidate === kind)?.[0] ?? '';
  block.write(name, fields.name[0], 'latin1');
  number('mode', mode);
  block.write('0000000\x000000000', 108, 'latin1'); // user and group: unpacked files belong to the caller
  number('size', size);
  number('mtime', mtime);
  block.write(type, 156, 'latin1');
  block.write(target, fields.target[0], 'latin1');
  block.write('ustar\x0000', fields.magic[0], 'latin1');
  number('checksum', checksum(block));
  return block;
}

function text(block: Buffer, field: Field): string {
  const [from, to] = fields[field];
  const end = block.subarray(from, to).indexOf(0);
  return block.toString('latin1', from, end < 0 ? to : from + end);
}

function octal(block: Buffer, field: Field): number {
  const value = block.toString('latin1', ...fields[field]);
  const digits = /^ *([0-7]+)[ \0]*$/.exec(value)?.[1];
  if (digits === undefined) throw new ArchiveError(`an entry has no valid ${field}`);
  return Number.parseInt(digits, 8);
}

/** The sum of all bytes, with the checksum itself as blanks. */
function checksum(block: Buffer): number {
  const [from, to] = fields.checksum;
  let sum = (to - from) * 0x20;
  for (let at = 0; at < tarBlockSize; at++) if (at < from || at >= to) sum += block[at] ?? 0;
  return sum;
}
