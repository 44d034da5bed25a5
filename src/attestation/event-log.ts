import { failure } from '../base/errors.ts';
import { extended } from '../firmware/measurement.ts';
import { Reader, Truncated } from '../tpm/codec/wire.ts';

/** One measurement, as firmware and stub logged it: TCG_PCR_EVENT2. */
export interface MeasuredEvent {
  readonly pcr: number;
  /** One of `eventTypes`, or another type. */
  readonly type: number;
  /** SHA-256 digest with which the register was extended. */
  readonly digest: Buffer;
  /** The measured data, or a description: for some types the digest does not cover it. */
  readonly data: Buffer;
}

/** Event types that attestation reads: TCG PC Client Platform Firmware Profile, section 10.4.1. */
export const eventTypes = {
  noAction: 0x3,
  ipl: 0xd,
  bootServicesApplication: 0x8000_0003,
  variableDriverConfig: 0x8000_0001,
  variableAuthority: 0x8000_00e0,
} as const;

const sha256Algorithm = 0x000b;
const signature = 'Spec ID Event03\0';

/** A boot has about 50 events. */
export const mostEvents = 2000;
const mostAlgorithms = 8;
/** PCRs of the PC Client profile: section 3.3.4. */
const pcrs = 24;

/**
 * Parses the event log that Linux shows as `binary_bios_measurements`: TCG PC Client Platform Firmware Profile, section 10.2. It
 * is evidence only if `replay` yields the values that a TPM signed.
 * @throws HoldfastError `tpm.log`.
 */
export function parseEventLog(bytes: Buffer): readonly MeasuredEvent[] {
  try {
    return readEvents(new LogReader(bytes));
  } catch (error) {
    if (error instanceof Truncated) throw malformed(error.message);
    throw error;
  }
}

function readEvents(reader: LogReader): readonly MeasuredEvent[] {
  const digestSizes = readHeader(reader);
  const events: MeasuredEvent[] = [];
  while (reader.left > 0) {
    if (events.length === mostEvents) throw malformed(`it has more than ${mostEvents} events`);
    events.push(readEvent(reader, digestSizes));
  }
  return events;
}

/** Returns the value of a register after these events; zeros for a register without events. */
export function replay(events: readonly MeasuredEvent[], pcr: number): Buffer {
  return extended(
    events
      .filter((event) => event.pcr === pcr && event.type !== eventTypes.noAction)
      .map(({ digest }) => digest),
  );
}

/**
 * Reads TCG_EfiSpecIDEvent, in the old form of an event: section 10.4.5.1. @returns the size of a digest, by
 * algorithm.
 */
function readHeader(reader: LogReader): ReadonlyMap<number, number> {
  const pcr = reader.u32();
  const type = reader.u32();
  reader.take(20); // a SHA-1 digest, of nothing
  const header = new LogReader(reader.take(reader.u32()));
  if (pcr !== 0 || type !== eventTypes.noAction || header.take(16).toString('latin1') !== signature)
    throw malformed('it has no header of a TPM 2.0 event log');
  header.take(8); // platform class, version of the specification, size of UINTN
  const count = header.u32();
  if (count > mostAlgorithms) throw malformed(`it names ${count} algorithms`);
  const sizes = new Map(Array.from({ length: count }, () => [header.u16(), header.u16()] as const));
  if (sizes.get(sha256Algorithm) !== 32) throw malformed('it has no SHA-256 digests');
  return sizes;
}

function readEvent(reader: LogReader, digestSizes: ReadonlyMap<number, number>): MeasuredEvent {
  const pcr = reader.u32();
  const type = reader.u32();
  const count = reader.u32();
  if (pcr >= pcrs || count > digestSizes.size) throw malformed(`PCR ${pcr} with ${count} digests`);
  let digest: Buffer | undefined;
  for (let index = 0; index < count; index++) {
    const algorithm = reader.u16();
    const size = digestSizes.get(algorithm);
    if (size === undefined)
      throw malformed(`it does not say how long digests of 0x${algorithm.toString(16)} are`);
    const taken = reader.take(size);
    if (algorithm === sha256Algorithm) digest = taken;
  }
  if (digest === undefined) throw malformed('an event has no SHA-256 digest');
  return { pcr, type, digest, data: reader.take(reader.u32()) };
}

/** Numbers are little-endian here, unlike in a TPM's messages. */
class LogReader extends Reader {
  override u16(): number {
    return this.take(2).readUInt16LE();
  }

  override u32(): number {
    return this.take(4).readUInt32LE();
  }
}

function malformed(why: string) {
  return failure('tpm.log', "cannot read the machine's event log", {
    why,
    next: 'treat the boot as unproven, and see `holdfast logs`',
  });
}
