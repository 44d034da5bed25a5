import { failure } from '../base/errors.ts';
import { type SectionMeasurement, sha256 } from './measurement.ts';

/** What a TPM is told of an EFI program before it starts: digests in lower-case hex. */
export interface ProgramMeasurements {
  /** SHA-256 as Authenticode has it: without the signatures, so that signing does not change it. */
  readonly authenticode: string;
  /** The parts of a UKI that its stub measures, in the stub's order; of other programs none is measured. */
  readonly sections: readonly SectionMeasurement[];
}

/**
 * The parts of a UKI that systemd-stub measures, in its order: systemd-stub(7), and `unified_sections` in systemd's
 * src/fundamental/uki.c. `.pcrsig` is left out there, as it holds a signature of the result.
 */
const measuredSections: readonly string[] = [
  ...['.linux', '.osrel', '.cmdline', '.initrd', '.ucode', '.splash', '.dtb', '.uname', '.sbat', '.pcrpkey'],
];

/** Microsoft PE Format: offsets in the headers of an image for 64 bits. */
const offsets = { header: 0x3c, sections: 6, optionalSize: 20, optional: 24 } as const;
const optionalOffsets = { headersSize: 60, checkSum: 64, certificates: 144 } as const;
const sectionHeader = { size: 40, virtualSize: 8, rawSize: 16, rawOffset: 20 } as const;

/** More than any EFI program has. */
const mostSections = 96;

interface Section {
  readonly name: string;
  readonly data: Buffer;
  readonly offset: number;
  readonly rawSize: number;
}

/**
 * Measures an EFI program as firmware and stub will.
 * @throws HoldfastError `firmware.program` for anything but a PE image for 64 bits.
 */
export function measureProgram(bytes: Buffer): ProgramMeasurements {
  try {
    return measure(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw malformed('it is cut off', error);
    throw error;
  }
}

function measure(bytes: Buffer): ProgramMeasurements {
  const header = bytes.readUInt32LE(offsets.header);
  if (bytes.toString('latin1', 0, 2) !== 'MZ' || bytes.toString('latin1', header, header + 4) !== 'PE\0\0')
    throw malformed('it has no PE header');
  const optional = header + offsets.optional;
  if (bytes.readUInt16LE(optional) !== 0x20b) throw malformed('it is not for 64 bits');
  const count = bytes.readUInt16LE(header + offsets.sections);
  if (count > mostSections) throw malformed(`it has ${count} sections`);
  const table = optional + bytes.readUInt16LE(header + offsets.optionalSize);
  const sections = Array.from({ length: count }, (_, index) =>
    sectionAt(bytes, table + index * sectionHeader.size),
  );
  return {
    authenticode: authenticode(bytes, optional, sections),
    sections: measuredSections.flatMap((name) => {
      const found = sections.find((section) => section.name === name);
      return found ? [{ name, sha256: sha256(found.data).toString('hex') }] : [];
    }),
  };
}

function sectionAt(bytes: Buffer, at: number): Section {
  const rawSize = bytes.readUInt32LE(at + sectionHeader.rawSize);
  const offset = bytes.readUInt32LE(at + sectionHeader.rawOffset);
  // the rest of the raw data is padding
  const size = Math.min(bytes.readUInt32LE(at + sectionHeader.virtualSize), rawSize);
  const name = piece(bytes, at, at + 8)
    .toString('latin1')
    .replace(/\0+$/, '');
  return { name, data: piece(bytes, offset, offset + size), offset, rawSize };
}

/** "Windows Authenticode Portable Executable Signature Format", section "Calculating the PE Image Hash". */
function authenticode(bytes: Buffer, optional: number, sections: readonly Section[]): string {
  const checkSum = optional + optionalOffsets.checkSum;
  const certificates = optional + optionalOffsets.certificates;
  const headersEnd = bytes.readUInt32LE(optional + optionalOffsets.headersSize);
  const certificatesSize = bytes.readUInt32LE(certificates + 4);
  const used = sections.filter(({ rawSize }) => rawSize > 0).toSorted((a, b) => a.offset - b.offset);
  const hashed = used.reduce((sum, { rawSize }) => sum + rawSize, headersEnd);
  return sha256(
    piece(bytes, 0, checkSum),
    piece(bytes, checkSum + 4, certificates),
    piece(bytes, certificates + 8, headersEnd),
    ...used.map(({ offset, rawSize }) => piece(bytes, offset, offset + rawSize)),
    piece(bytes, hashed, bytes.length - certificatesSize),
  ).toString('hex');
}

function piece(bytes: Buffer, from: number, to: number): Buffer {
  if (from > to || to > bytes.length) throw malformed(`bytes ${from} to ${to} of ${bytes.length} are named`);
  return bytes.subarray(from, to);
}

function malformed(why: string, cause?: unknown) {
  return failure('firmware.program', 'this is no EFI program', { why, cause });
}
