import { u16, u32 } from './wire.ts';

/** Tag, size and code: TCG TPM 2.0 Library Part 1, section "Command Header"; a response has the same form. */
export const headerLength = 10;

/** No command or response is longer: what TPMs for PCs take (TPM_PT_MAX_COMMAND_SIZE, TPM_PT_MAX_RESPONSE_SIZE). */
export const longestMessage = 4096;

/** TPMI_ST_COMMAND_TAG: Part 2, section 9.7. */
export const tags = { noSessions: 0x8001, sessions: 0x8002 } as const;

/** Returns a message without sessions: a command, or a response, which has the same form. */
export function message(code: number, ...parts: readonly Uint8Array[]): Buffer {
  return tagged(tags.noSessions, code, parts);
}

/** Returns a message with its size filled in. */
export function tagged(tag: number, code: number, parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(tag), u32(headerLength + body.length), u32(code), body]);
}
