import { failure } from '../../base/errors.ts';
import { commandCodes } from './command-codes.ts';
import { type Handle, permanent } from './handles.ts';
import { message, tagged, tags } from './message.ts';
import { isSuccess, type Response } from './response.ts';
import { Reader, Truncated, u16, u32 } from './wire.ts';

/** The commands that Holdfast itself sends: TCG TPM 2.0 Library Part 3. */
export const requests = {
  flush: (handle: Handle) => message(commandCodes.flushContext, u32(handle)),
  contextSave: (handle: Handle) => message(commandCodes.contextSave, u32(handle)),
  contextLoad: (context: Buffer) => message(commandCodes.contextLoad, context),
  nvReadPublic: (index: Handle) => message(commandCodes.nvReadPublic, u32(index)),
  readPublic: (object: Handle) => message(commandCodes.readPublic, u32(object)),
  properties: (first: number, count: number) =>
    message(commandCodes.getCapability, u32(capabilityProperties), u32(first), u32(count)),
  /** Measures the next start with SHA-256 alone: Part 3, `PCR_Allocate`. Never sent to the host's TPM (denied-commands.ts). */
  allocateSha256: () => {
    const banks = digestAlgorithms.map(({ code, measured }) =>
      Buffer.concat([u16(code), Buffer.of(3), Buffer.alloc(3, measured ? 0xff : 0)]),
    );
    return tagged(tags.sessions, commandCodes.pcrAllocate, [
      ...[u32(permanent.platform), emptyPassword, u32(banks.length), ...banks],
    ]);
  },
  /** A primary key under the endorsement hierarchy, whose authorization is empty. */
  createEndorsementPrimary: (template: Buffer) => {
    // TPMS_SENSITIVE_CREATE with neither authorization nor data; no outside information, no creation PCRs
    const sensitive = Buffer.concat([u16(4), u16(0), u16(0)]);
    return tagged(tags.sessions, commandCodes.createPrimary, [
      ...[u32(permanent.endorsement), emptyPassword, sensitive],
      ...[u16(template.length), template, u16(0), u32(0)],
    ]);
  },
  /** Makes a loaded key persistent, at a handle of the owner's: Part 3, `EvictControl`. Never sent to the host's TPM. */
  keep: (object: Handle, persistent: Handle) =>
    tagged(tags.sessions, commandCodes.evictControl, [
      ...[u32(permanent.owner), u32(object), emptyPassword, u32(persistent)],
    ]),
} as const;

/** The banks that swtpm has: Part 2, section 6.3. Measuring with unused banks would make the boot slower. */
const digestAlgorithms = [
  { code: 0x0004, measured: false }, // SHA-1
  { code: 0x000b, measured: true }, // SHA-256
  { code: 0x000c, measured: false }, // SHA-384
  { code: 0x000d, measured: false }, // SHA-512
] as const;

/** TPM_CAP_TPM_PROPERTIES: Part 2, section 6.12. */
const capabilityProperties = 0x0000_0006;

/** An authorization area with an empty password: Part 1, section "Password Authorizations". */
const emptyPassword = Buffer.concat([u32(9), u32(permanent.password), u16(0), Buffer.of(0), u16(0)]);

/** Properties of a TPM: Part 2, section 6.13. */
export const properties = {
  manufacturer: 0x105,
  vendorString: 0x106,
  firmwareVersion: 0x10b,
  lockoutCounter: 0x20e,
  maxAuthFail: 0x20f,
} as const;

/** Reads the body of a response to `properties`, by number. @throws HoldfastError `tpm.malformed`, `tpm.refused`. */
export function readProperties(response: Response): ReadonlyMap<number, number> {
  return readBody(response, 'its properties', (reader) => {
    reader.u8(); // whether there are more
    reader.u32();
    const count = reader.u32();
    if (count * 8 !== reader.left) throw new Truncated(`${count} properties in ${reader.left} bytes`);
    return new Map(Array.from({ length: count }, () => [reader.u32(), reader.u32()] as const));
  });
}

/** Reads TPMA_NV of a response to `nvReadPublic`: Part 2, sections 13.4 and 13.6. @throws as `readProperties`. */
export function readIndexAttributes(response: Response): number {
  return readBody(response, 'an NV index', (reader) => {
    const area = new Reader(reader.sized());
    area.u32(); // the index
    area.u16(); // the name's hash algorithm
    return area.u32();
  });
}

/** Reads the body of a successful response. @throws HoldfastError `tpm.refused`, `tpm.malformed`. */
export function readBody<T>(response: Response, what: string, work: (reader: Reader) => T): T {
  if (!isSuccess(response)) {
    throw failure('tpm.refused', `the TPM rejected the request for ${what}`, {
      why: `it returned the response code 0x${response.code.toString(16)}`,
      next: 'run `tpm2_rc_decode` with this code to read its meaning',
    });
  }
  try {
    return work(new Reader(response.body));
  } catch (error) {
    if (!(error instanceof Truncated)) throw error;
    throw failure('tpm.malformed', 'the TPM returned a truncated response', {
      why: `${what}: ${error.message}`,
    });
  }
}
