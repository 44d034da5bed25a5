import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { describe, misuse } from '../../../base/errors.ts';
import { readNvInGuest } from '../../../lifecycle/host-tpm.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required, setting, wholeNumber } from '../../framework/parameters.ts';

export const tpmNvReadCommand = defineCommand({
  arguments: { index: required('INDEX', 'NV index, such as 0x1500001', parseIndex) },
  flags: {
    auth: setting('FILE', 'Read the authorization from this file; - is standard input', anyText),
    size: setting('N', 'Number of bytes (default: all)', wholeNumber),
    offset: setting('N', 'Offset of the first byte (default: 0)', wholeNumber),
  },
  examples: [
    ['holdfast tpm nv-read 0x1500001', 'Read an NV index of the host TPM from within the machine'],
    ['holdfast tpm nv-read 3001 --auth secret --size 8', 'Read an index that needs an authorization'],
  ],
  output: async () => (await import('../../output/security.ts')).tpmNvReadOutput,
  async run({ machine, output, streams, json, arguments: { index }, flags }) {
    const { auth, size, offset } = flags;
    const authorization = auth === undefined ? undefined : await readSecret(auth, streams.stdin);
    const data = await readNvInGuest(machine, { index, authorization, size, offset });
    if (json) output.result({ index, data: data.toString('base64') }, '');
    else streams.stdout.write(data);
  },
});

/** NV indices: TCG TPM 2.0 Library Part 2, section 7.2. */
const firstIndex = 0x0100_0000;
const indexMask = 0x00ff_ffff;

/**
 * Parses an NV index, or its offset among NV indices, which tpm2-tools accept too. @throws HoldfastError
 * `tpm.index`.
 */
function parseIndex(word: string): number {
  const number = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word) ? Number(word) : Number.NaN;
  if (number <= firstIndex + indexMask) return firstIndex + (number & indexMask);
  throw misuse('tpm.index', `'${word}' is not an NV index`, {
    why: 'NV indices lie between 0x1000000 and 0x1ffffff',
    next: 'write it as tpm2-tools print it, such as 0x1500001, or as an offset in this range, such as 3001',
  });
}

async function readSecret(path: string, stdin: NodeJS.ReadStream): Promise<Uint8Array> {
  if (path === '-') return buffer(stdin);
  try {
    return await readFile(path);
  } catch (error) {
    throw misuse('tpm.auth', `cannot read ${path}`, { why: describe(error), cause: error });
  }
}
