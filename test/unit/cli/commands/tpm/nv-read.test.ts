import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFailure } from '../../../../../src/base/errors.ts';
import { tpmNvReadCommand } from '../../../../../src/cli/commands/tpm/nv-read.ts';

const read = (word: string) => tpmNvReadCommand.arguments.index?.read([word]);

test('an NV index is written as tpm2-tools show it, or as a number among them', () => {
  assert.equal(read('0x1500001'), 0x0150_0001);
  assert.equal(read('0x01000BB9'), 0x0100_0bb9);
  assert.equal(read('3001'), 0x0100_0bb9);
  assert.equal(read('0'), 0x0100_0000);
  for (const word of ['0x2000000', '0x81010001', '-1', '1.5', '', 'x', '0x', '99999999999', '3001 ']) {
    assert.throws(
      () => read(word),
      (error) => isFailure(error, 'tpm.index'),
      word,
    );
  }
});
