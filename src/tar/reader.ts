import { ByteReader } from './bytes.ts';
import { ArchiveError, type TarEntry } from './entry.ts';
import { decodeHeader, type Header, tarBlockSize } from './header.ts';
import { archiveLimits } from './limits.ts';
import { type PaxRecords, parsePax } from './pax.ts';
import { checkSparseMap, sparseMapLines } from './sparse-map.ts';

const attributePrefix = 'SCHILY.xattr.';

/**
 * Reads an archive of GNU tar in POSIX format from a stream: strictly, within `archiveLimits`, and without keeping
 * content. Paths are not judged here, except for their length.
 */
export class ArchiveReader {
  readonly #bytes: ByteReader;
  readonly #entryLimit: number;
  #entries = 0;
  #current: TarEntry | undefined;
  /** Content and filling of the current entry that were not read. */
  #content = 0;
  #filling = 0;

  constructor(chunks: AsyncIterable<Buffer>, entryLimit: number = archiveLimits.entries) {
    this.#entryLimit = entryLimit;
    this.#bytes = new ByteReader(chunks);
  }

  /**
   * Returns the next entry; undefined after the last, once the stream has ended.
   * @throws ArchiveError.
   */
  async next(): Promise<TarEntry | undefined> {
    for await (const _ of this.content()); // what the caller did not read
    const header = await this.#header();
    if (!header) return undefined;
    if (header.kind !== 'pax') return this.#begin(header, header.kind, new Map());
    if (header.size > archiveLimits.paxBytes) throw new ArchiveError('a pax header is too large');
    const records = parsePax(await this.#bytes.exactly(header.size));
    await this.#bytes.exactly(fillingOf(header.size));
    const extended = await this.#header();
    if (!extended || extended.kind === 'pax') throw new ArchiveError('a pax header has no entry');
    return this.#begin(extended, extended.kind, records);
  }

  /** Yields the content of the current entry; nothing if it was read. @throws ArchiveError. */
  async *content(): AsyncGenerator<Buffer> {
    const length = this.#current?.sparseLength;
    this.#current = undefined;
    if (length !== undefined) yield await this.#sparseMap(length);
    while (this.#content > 0) {
      const bytes = await this.#bytes.some(this.#content);
      if (!bytes) throw new ArchiveError('it is truncated', true);
      this.#content -= bytes.length;
      yield bytes;
    }
    await this.#bytes.exactly(this.#filling);
    this.#filling = 0;
  }

  /** Returns the next header; undefined at the end mark, after which only zero bytes may follow. */
  async #header(): Promise<Header | undefined> {
    const block = await this.#bytes.exactly(tarBlockSize);
    if (!isZero(block)) return decodeHeader(block);
    let trailing = 0;
    for (
      let bytes = await this.#bytes.some(tarBlockSize);
      bytes;
      bytes = await this.#bytes.some(tarBlockSize)
    ) {
      trailing += bytes.length;
      if (trailing > archiveLimits.trailingBytes || !isZero(bytes))
        throw new ArchiveError('data follows its end');
    }
    if (trailing < tarBlockSize) throw new ArchiveError('it is truncated', true);
    return undefined;
  }

  #begin(header: Header, kind: TarEntry['kind'], records: PaxRecords): TarEntry {
    this.#entries++;
    if (this.#entries > this.#entryLimit)
      throw new ArchiveError(`it has more than ${this.#entryLimit} entries`);
    const entry = entryOf(header, kind, records);
    if (entry.size > 0 && kind !== 'file') throw new ArchiveError(`an entry of kind ${kind} has content`);
    this.#current = entry;
    this.#content = entry.size;
    this.#filling = fillingOf(entry.size);
    return entry;
  }

  async #sparseMap(length: number): Promise<Buffer> {
    const blocks: Buffer[] = [];
    let begin = '';
    let lines = 0;
    for (let needed = Number.POSITIVE_INFINITY; lines < needed; ) {
      if (this.#content < tarBlockSize || blocks.length * tarBlockSize >= archiveLimits.sparseMapBytes)
        throw new ArchiveError('the map of a sparse file is too long');
      const block = await this.#bytes.exactly(tarBlockSize);
      this.#content -= tarBlockSize;
      blocks.push(block);
      if (blocks.length === 1) begin = block.toString('latin1');
      needed = sparseMapLines(begin) ?? needed;
      for (const byte of block) if (byte === 0x0a) lines++;
    }
    const map = Buffer.concat(blocks);
    checkSparseMap(map.toString('latin1').replace(/\0*$/, ''), length, this.#content);
    return map;
  }
}

const zeros = Buffer.alloc(tarBlockSize);

/** @param bytes at most a block. */
function isZero(bytes: Buffer): boolean {
  return bytes.equals(zeros.subarray(0, bytes.length));
}

/** Returns the number of zero bytes after content of this size. */
export function fillingOf(size: number): number {
  return (tarBlockSize - (size % tarBlockSize)) % tarBlockSize;
}

function entryOf(header: Header, kind: TarEntry['kind'], records: PaxRecords): TarEntry {
  const isSparse = records.has('GNU.sparse.major');
  if (
    isSparse &&
    (kind !== 'file' || `${records.get('GNU.sparse.major')}.${records.get('GNU.sparse.minor')}` !== '1.0')
  )
    throw new ArchiveError('a sparse file has an unknown format');
  const path = (isSparse ? records.get('GNU.sparse.name') : records.get('path')) ?? header.name;
  const target = kind === 'link' || kind === 'hard-link' ? (records.get('linkpath') ?? header.target) : '';
  for (const text of [path, target])
    if (text.length > archiveLimits.pathBytes || text.includes('\0'))
      throw new ArchiveError('an entry has an invalid path');
  const mtime = records.get('mtime') ?? String(header.mtime);
  if (!/^-?\d{1,12}(\.\d{1,9})?$/.test(mtime)) throw new ArchiveError('an entry has an invalid time');
  return {
    kind,
    path: kind === 'directory' ? path.replace(/(?<=.)\/$/, '') : path,
    target,
    mode: header.mode,
    mtime,
    size: sizeIn(records, 'size') ?? header.size,
    sparseLength: isSparse ? sizeIn(records, 'GNU.sparse.realsize', 0) : undefined,
    attributes: [...records]
      .filter(([key]) => key.startsWith(attributePrefix))
      .map(([key, value]) => [key.slice(attributePrefix.length), value] as const),
  };
}

function sizeIn(records: PaxRecords, key: string, absent?: number): number | undefined {
  const text = records.get(key);
  if (text === undefined) return absent;
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new ArchiveError('an entry has an invalid size');
  return size;
}
