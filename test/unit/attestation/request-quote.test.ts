import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askForQuote } from '../../../src/attestation/request-quote.ts';
import { isFailure } from '../../../src/base/errors.ts';
import type { Guest } from '../../../src/channel/guest.ts';

/** A guest that prints this. */
const printing = (text: string) =>
  ({ run: async () => ({ code: 0, stdout: Buffer.from(text), stderr: '' }) }) as unknown as Guest;

async function reasonFor(text: string) {
  try {
    await askForQuote(printing(text), Buffer.alloc(32));
  } catch (error) {
    if (isFailure(error, 'attest.no-quote', 'guest.output')) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('a TPM without its attestation key is reported in words, with the way out', async () => {
  const gone = await reasonFor('none (0x18B)\n');
  assert.equal(gone.code, 'attest.no-quote');
  assert.match(gone.why ?? '', /^its attestation key is gone/);
  assert.match(gone.next ?? '', /holdfast restart.*holdfast attest enrol/);
  assert.doesNotMatch(`${gone.message}${gone.why}`, /0x/);
  const busy = await reasonFor('none (0x902)\n');
  assert.match(busy.why ?? '', /0x902/);
});

test('any other output is malformed', async () => {
  for (const text of ['', 'none', 'none (0x18B)', 'none (0x18B)\nnone (0x18B)\n', 'none (0x18b)\n'])
    assert.equal((await reasonFor(text)).code, 'guest.output', JSON.stringify(text));
});
