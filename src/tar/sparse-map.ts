import { ArchiveError } from './entry.ts';
import { archiveLimits } from './limits.ts';

/**
 * Checks the map of a sparse file (GNU tar's manual, "PAX Format, Version 1.0"): the number of extents, then offset and
 * length of each, one decimal number a line.
 * @param map without the zero bytes that fill its last block.
 * @param length of the file with its holes.
 * @param dataBytes bytes that follow the map.
 * @throws ArchiveError unless the extents are in order, inside the file, and as long as the data.
 */
export function checkSparseMap(map: string, length: number, dataBytes: number): void {
  if (!/^(?:\d{1,16}\n)+$/.test(map)) throw malformed();
  const [count, ...numbers] = map.slice(0, -1).split('\n').map(Number);
  if (count === undefined || numbers.length !== 2 * count) throw malformed();
  let end = 0;
  let total = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const [offset = 0, size = 0] = numbers.slice(at, at + 2);
    if (offset < end || !Number.isSafeInteger(offset + size) || offset + size > length) throw malformed();
    end = offset + size;
    total += size;
  }
  if (total !== dataBytes) throw malformed();
}

/** Returns the number of lines that a map has, once its first line is complete. */
export function sparseMapLines(begin: string): number | undefined {
  const count = /^(\d{1,16})\n/.exec(begin)?.[1];
  if (count === undefined && begin.length > 17) throw malformed();
  if (count === undefined) return undefined;
  const lines = 1 + 2 * Number(count);
  if (2 * lines > archiveLimits.sparseMapBytes) throw malformed(); // a line has two bytes at least
  return lines;
}

function malformed(): ArchiveError {
  return new ArchiveError('the map of a sparse file is malformed');
}
