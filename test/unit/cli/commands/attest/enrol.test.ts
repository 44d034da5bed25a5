import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EnrolledMachine } from '../../../../../src/attestation/enrol.ts';
import { enrolmentText } from '../../../../../src/cli/commands/attest/enrol.ts';

const [one, two] = ['a'.repeat(64), 'b'.repeat(64)];
const unchanged: EnrolledMachine = {
  ...{ changed: false, fingerprint: one, before: one, cleared: false, needsRecovery: false, changes: [] },
};

test('the result of an enrolment names what verifiers and the owner have to do', () => {
  assert.match(enrolmentText('m', unchanged), /nothing was changed/);
  const restored = { ...unchanged, changed: true, changes: ['Clear was disabled'] };
  assert.match(enrolmentText('m', restored), /the same: trust files stay valid\n {2}Clear was disabled$/);
  const other = enrolmentText('m', { ...restored, before: two });
  assert.match(other, new RegExp(`new attestation key \\(SHA-256 ${one}\\).*attest trust`));
  assert.doesNotMatch(other, /cleared|recovery/);
  const cleared = enrolmentText('m', { ...restored, cleared: true, needsRecovery: true });
  assert.match(cleared, /the TPM was cleared[^\n]*\n.*holdfast recovery/);
});
