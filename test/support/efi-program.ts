/** A part of an EFI program. */
export interface Section {
  readonly name: string;
  readonly data: Buffer;
}

const alignment = 0x200;

/** Builds the smallest signable PE32+ image with these sections (PE format, "MS-DOS stub" to "section table"). */
export function efiProgram(sections: readonly Section[]): Buffer {
  const optional = 0x58;
  const table = optional + 240;
  const headers = roundUp(table + sections.length * 40);
  const head = Buffer.alloc(headers);
  head.write('MZ', 0);
  head.writeUInt32LE(0x40, 0x3c);
  head.write('PE\0\0', 0x40);
  const coff = 0x44;
  head.writeUInt16LE(0x8664, coff); // x86-64
  head.writeUInt16LE(sections.length, coff + 2);
  head.writeUInt16LE(240, coff + 16); // size of the optional header
  head.writeUInt16LE(0x22, coff + 18); // executable, large addresses
  head.writeUInt16LE(0x20b, optional); // PE32+
  head.writeUInt32LE(alignment, optional + 4); // size of code
  head.writeUInt32LE(0x1000, optional + 16); // entry point
  head.writeUInt32LE(0x1000, optional + 20); // base of code
  head.writeUInt32LE(0x1000, optional + 32); // section alignment
  head.writeUInt32LE(alignment, optional + 36); // file alignment
  head.writeUInt32LE(0x1000 * (sections.length + 1), optional + 56); // size of image
  head.writeUInt32LE(headers, optional + 60); // size of headers
  head.writeUInt16LE(10, optional + 68); // subsystem: EFI application
  head.writeUInt32LE(16, optional + 108); // data directories
  const contents: Buffer[] = [];
  let offset = headers;
  for (const [index, { name, data }] of sections.entries()) {
    const header = table + index * 40;
    const rawSize = roundUp(data.length);
    head.write(name, header);
    head.writeUInt32LE(data.length, header + 8); // virtual size
    head.writeUInt32LE(0x1000 * (index + 1), header + 12); // virtual address
    head.writeUInt32LE(rawSize, header + 16); // size of raw data
    head.writeUInt32LE(offset, header + 20); // pointer to raw data
    head.writeUInt32LE(0x60000020, header + 36); // code, executable, readable
    contents.push(Buffer.concat([data], rawSize));
    offset += rawSize;
  }
  return Buffer.concat([head, ...contents]);
}

function roundUp(size: number): number {
  return Math.ceil(size / alignment) * alignment;
}
