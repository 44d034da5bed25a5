import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { kernelImagePcr, pcrPolicy } from '../../../../src/release/build/pcr-signature.ts';

test('the policy equals that of a TPM', () => {
  // tpm2_createpolicy --policy-pcr -l sha256:11, for a register of 32 times 0xab
  const policy = '523d74b27852b0f697aebfb8274749478304b5745146d8449ea0733e729c4b6b';
  assert.equal(pcrPolicy(Buffer.alloc(32, 0xab)).toString('hex'), policy);
});

test('the register is extended by the name and the content of each section, in order', () => {
  const sha256 = (...parts: readonly Uint8Array[]) =>
    createHash('sha256').update(Buffer.concat(parts)).digest();
  const kernel = sha256(Buffer.from('kernel'));
  const sections = [{ name: '.linux', sha256: kernel.toString('hex') }];
  const named = sha256(Buffer.alloc(32), sha256(Buffer.from('.linux\0')));
  assert.deepEqual(kernelImagePcr(sections), sha256(named, kernel));
  assert.deepEqual(kernelImagePcr([]), Buffer.alloc(32));
});
