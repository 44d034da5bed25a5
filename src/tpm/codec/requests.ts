import { failure } from '../../base/errors.ts';
import { commandCodes } from './command-codes.ts';
import type { Handle } from './handles.ts';
import { message } from './message.ts';
import { isSuccess, type Response } from './response.ts';
import { Reader, Truncated, u32 } from './wire.ts';

/** The commands that Holdfast itself sends: TCG TPM 2.0 Library Part 3. */
export const requests = {
  flush: (handle: Handle) => message(commandCodes.flushContext, u32(handle)),
  contextSave: (handle: Handle) => message(commandCodes.contextSave, u32(handle)),
  contextLoad: (context: Buffer) => message(commandCodes.contextLoad, context),
  nvReadPublic: (index: Handle) => message(commandCodes.nvReadPublic, u32(index)),
  readPublic: (object: Handle) => message(commandCodes.readPublic, u32(object)),
  properties: (first: number, count: number) =>
    message(commandCodes.getCapability, u32(capabilityProperties), u32(first), u32(count)),
} as const;

/** TPM_CAP_TPM_PROPERTIES: Part 2, section 6.12. */
const capabilityProperties = 0x0000_0006;

/** Properties of a TPM: Part 2, section 6.13. */
export const properties = {
  manufacturer: 0x105,
  vendorString: 0x106,
  firmwareVersion: 0x10b,
  permanent: 0x200,
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
