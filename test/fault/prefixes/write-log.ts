import { open } from 'node:fs/promises';

/** A write to a disk, or a flush: all earlier writes are on the medium. */
export type LoggedWrite =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'flush' };

/** The format of Linux, drivers/md/dm-log-writes.c, which QEMU's blklogwrites uses: sizes and offsets in bytes, little-endian. */
const superBlock = { magic: 0, version: 8, sectorSize: 24 } as const;
const entry = { sector: 0, sectors: 8, flags: 16, length: 32 } as const;
const magic = 0x6a736677736872n;
const flags = { flush: 1n, forceUnitAccess: 2n, discard: 4n } as const;

const sectorSize = 512;

/** Reads the complete entries of a growing log. */
export class WriteLog {
  readonly #path: string;
  #at = sectorSize;

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns the entries since the last call, in order. @param end size of the file to consider. */
  async read(end: number): Promise<LoggedWrite[]> {
    if (end <= sectorSize) return [];
    const file = await open(this.#path, 'r');
    try {
      if (this.#at === sectorSize) await checkSuperBlock(await readAt(file, 0, sectorSize), this.#path);
      const found: LoggedWrite[] = [];
      while (this.#at + sectorSize <= end) {
        const head = await readAt(file, this.#at, entry.length);
        const [sector, sectors, flag] = [entry.sector, entry.sectors, entry.flags].map((field) =>
          head.readBigUInt64LE(field),
        );
        if (sector === undefined || sectors === undefined || flag === undefined)
          throw new TypeError('no entry');
        if (flag === 0n && sectors === 0n) break; // not written yet
        const hasData = sectors > 0n && (flag & flags.discard) === 0n;
        const length = hasData ? Number(sectors) * sectorSize : 0;
        if (this.#at + sectorSize + length > end) break;
        // a flush precedes the data of the same entry
        if ((flag & flags.flush) !== 0n) found.push({ kind: 'flush' });
        const offset = Number(sector) * sectorSize;
        if (hasData)
          found.push({ kind: 'write', offset, data: await readAt(file, this.#at + sectorSize, length) });
        else if (sectors > 0n) found.push(...zeros(offset, Number(sectors) * sectorSize));
        if ((flag & flags.forceUnitAccess) !== 0n) found.push({ kind: 'flush' });
        this.#at += sectorSize + length;
      }
      return found;
    } finally {
      await file.close();
    }
  }
}

/** Trimmed ranges read as zeros, as the machine's disk has no backing there. */
function* zeros(offset: number, length: number): Generator<LoggedWrite> {
  const most = 1024 * 1024;
  for (let done = 0; done < length; done += most)
    yield { kind: 'write', offset: offset + done, data: Buffer.alloc(Math.min(most, length - done)) };
}

function checkSuperBlock(bytes: Buffer, path: string): void {
  const isLog =
    bytes.readBigUInt64LE(superBlock.magic) === magic &&
    bytes.readBigUInt64LE(superBlock.version) === 1n &&
    bytes.readUInt32LE(superBlock.sectorSize) === sectorSize;
  if (!isLog) throw new Error(`${path} is no log of writes with sectors of ${sectorSize} bytes`);
}

async function readAt(
  file: Awaited<ReturnType<typeof open>>,
  position: number,
  length: number,
): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new Error(`the log ends in an entry, at ${position}`);
  return buffer;
}
