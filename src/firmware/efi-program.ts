import { failure } from '../base/errors.ts';
import { digestOf, type SectionMeasurement } from './measurement.ts';

/** What is measured into a TPM before an EFI program starts: digests in lower-case hex. */
export interface ProgramMeasurements {
  /**
   * The SHA-256 Authenticode digest. It leaves out the signatures, so signing does not change it.
   */
  readonly authenticode: string;
  /** The UKI sections that the stub measures, in the stub's order; empty for other programs. */
  readonly sections: readonly SectionMeasurement[];
}

/**
 * The UKI sections that systemd-stub measures, in its order: systemd-stub(7), and `unified_sections` in
 * systemd's src/fundamental/uki.c. It does not measure `.pcrsig`, which contains a signature of the result.
 */
const measuredSections: readonly string[] = [
  ...['.linux', '.osrel', '.cmdline', '.initrd', '.ucode', '.splash', '.dtb', '.uname', '.sbat', '.pcrpkey'],
];

/** Offsets in the headers of a 64-bit image (Microsoft PE Format). */
const offsets = { header: 0x3c, sections: 6, optionalSize: 20, optional: 24 } as const;
const optionalOffsets = { headersSize: 60, checkSum: 64, certificates: 144 } as const;
const sectionHeader = { size: 40, virtualSize: 8, rawSize: 16, rawOffset: 20 } as const;

/** Limit for the number of sections, more than any EFI program has. */
const mostSections = 96;

interface Section {
  readonly name: string;
  readonly data: Buffer;
  readonly offset: number;
  readonly rawSize: number;
}

/**
 * Measures an EFI program as firmware and stub do.
 * @throws HoldfastError `firmware.program` for anything but a 64-bit PE image.
 */
export function measureProgram(bytes: Buffer): ProgramMeasurements {
  try {
    return measure(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw malformed('it is truncated', error);
    throw error;
  }
}

function measure(bytes: Buffer): ProgramMeasurements {
  const header = bytes.readUInt32LE(offsets.header);
  if (bytes.toString('latin1', 0, 2) !== 'MZ' || bytes.toString('latin1', header, header + 4) !== 'PE\0\0')
    throw malformed('it has no PE header');
  const optional = header + offsets.optional;
  if (bytes.readUInt16LE(optional) !== 0x20b) throw malformed('it is not a 64-bit image');
  const count = bytes.readUInt16LE(header + offsets.sections);
  if (count > mostSections) throw malformed(`it has ${count} sections, the limit is ${mostSections}`);
  const table = optional + bytes.readUInt16LE(header + offsets.optionalSize);
  const sections = Array.from({ length: count }, (_, index) =>
    sectionAt(bytes, table + index * sectionHeader.size),
  );
  return {
    authenticode: authenticode(bytes, optional, sections),
    sections: measuredSections.flatMap((name) => {
      const found = sections.find((section) => section.name === name);
      return found ? [{ name, sha256: digestOf(found.data).toString('hex') }] : [];
    }),
  };
}

function sectionAt(bytes: Buffer, at: number): Section {
  const rawSize = bytes.readUInt32LE(at + sectionHeader.rawSize);
  const offset = bytes.readUInt32LE(at + sectionHeader.rawOffset);
  // raw data beyond the virtual size is padding
  const size = Math.min(bytes.readUInt32LE(at + sectionHeader.virtualSize), rawSize);
  const name = piece(bytes, at, at + 8)
    .toString('latin1')
    .replace(/\0+$/, '');
  return { name, data: piece(bytes, offset, offset + size), offset, rawSize };
}

/**
 * Computes the digest as in "Windows Authenticode Portable Executable Signature Format",
 * "Calculating the PE Image Hash".
 */
function authenticode(bytes: Buffer, optional: number, sections: readonly Section[]): string {
  const checkSum = optional + optionalOffsets.checkSum;
  const certificates = optional + optionalOffsets.certificates;
  const headersEnd = bytes.readUInt32LE(optional + optionalOffsets.headersSize);
  const certificatesSize = bytes.readUInt32LE(certificates + 4);
  const used = sections.filter(({ rawSize }) => rawSize > 0).toSorted((a, b) => a.offset - b.offset);
  const hashed = used.reduce((sum, { rawSize }) => sum + rawSize, headersEnd);
  return digestOf(
    piece(bytes, 0, checkSum),
    piece(bytes, checkSum + 4, certificates),
    piece(bytes, certificates + 8, headersEnd),
    ...used.map(({ offset, rawSize }) => piece(bytes, offset, offset + rawSize)),
    piece(bytes, hashed, bytes.length - certificatesSize),
  ).toString('hex');
}

function piece(bytes: Buffer, from: number, to: number): Buffer {
  if (from > to || to > bytes.length)
    throw malformed(`it refers to bytes ${from} to ${to}, but has ${bytes.length}`);
  return bytes.subarray(from, to);
}

function malformed(why: string, cause?: unknown) {
  return failure('firmware.program', 'this is not an EFI program', { why, cause });
}
