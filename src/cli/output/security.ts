import * as z from 'zod';
import { verdicts } from '../../audit/claim.ts';
import { verities } from '../../machine/limits.ts';
import { base64Field, changedField, digestField, machineField, timeField, versionField } from './fields.ts';

export const auditOutput = z.strictObject({
  machine: machineField,
  time: timeField.describe('When the audit ended'),
  release: versionField.optional().describe('Version of the running release; absent if it is not signed'),
  rootHash: digestField.optional().describe('dm-verity root hash of that release'),
  asReleased: z.boolean().describe('Whether nothing that the machine has kept took part in its start'),
  results: z.array(
    z.strictObject({
      id: z.string().describe('Stable name of the claim'),
      sentence: z.string().describe('The claim'),
      where: z.enum(['guest', 'host', 'guest and host', 'nowhere']).describe('Where the check looks'),
      since: z.string().describe('Version of Holdfast that introduced the claim'),
      notStopped: z.string().describe('What remains possible although the claim holds'),
      verdict: z.enum(verdicts),
      evidence: z.string().describe('What the check saw'),
    }),
  ),
});

const judgement = {
  passed: z.boolean().describe('Whether the boot measurements match the release'),
  reasons: z.array(z.string()).describe('Why not; the first is the most significant'),
  release: versionField.optional().describe('Version of the release; absent if no trusted key signed it'),
  registers: z.array(
    z.strictObject({
      pcr: z.int(),
      holds: z.string().describe('What is measured into the register'),
      value: digestField.describe('Value of the register'),
      expected: digestField.describe('Value computed from the release'),
    }),
  ),
};

export const attestOutput = z.strictObject({
  machine: machineField,
  time: timeField.describe('When the evidence was requested, by the clock of its host'),
  nonce: z.string().describe('The challenge, in hexadecimal digits'),
  fresh: z.boolean().describe('Whether the evidence is known to be newer than the challenge'),
  ...judgement,
});

const pem = z.string().describe('PEM');

export const attestTrustOutput = z.strictObject({
  format: z.literal(1),
  machine: machineField,
  attestationKey: pem.describe('Public key that the TPM of the machine quotes with: PEM'),
  releaseCertificate: pem.describe('Certificate that signs releases: PEM'),
  platformCertificate: pem.describe('Certificate of the platform and key exchange keys of Secure Boot: PEM'),
});

export const attestEnrolOutput = z.strictObject({
  machine: machineField,
  changed: changedField,
  fingerprint: digestField.describe('SHA-256 of the recorded public key (SubjectPublicKeyInfo)'),
  before: digestField.optional().describe('The same of the key that was recorded before; absent if none was'),
  cleared: z.boolean().describe('Whether the TPM was cleared: what was sealed to it is lost'),
  needsRecovery: z.boolean().describe('Whether the next start needs the recovery key: `holdfast recovery`'),
  changes: z.array(z.string()).describe('What was changed in the TPM'),
});

export const verityOutput = z.strictObject({
  machine: machineField,
  configured: z.enum(verities).describe('Whether the next start verifies the root'),
  active: z
    .enum(verities)
    .nullable()
    .describe('Whether the root is verified now; null while the guest does not answer'),
  changed: changedField,
});

export const ipeOutput = z.strictObject({
  machine: machineField,
  configured: z.enum(['audit', 'enforce']).describe('Mode from the next start'),
  active: z
    .enum(['audit', 'enforce', 'off'])
    .nullable()
    .describe('Mode now; off: the root is not verified; null while the machine is not running'),
  changed: changedField,
});

const identity = {
  manufacturer: z.string().describe('TCG vendor ID, such as INTC'),
  model: z.string(),
  firmware: z.string().describe('Firmware version'),
};

const hostTpm = {
  machine: machineField,
  enabled: z.boolean().describe("Whether the machine has access to the host's TPM"),
  device: z.string().optional().describe("Device or socket of the host's TPM; absent without access"),
  identity: z.strictObject(identity).optional().describe("The host's TPM; absent if it does not answer"),
  problem: z.string().optional().describe("Why the host's TPM does not answer"),
  changed: changedField,
};

export const tpmAccessOutput = z.strictObject(hostTpm);

export const tpmStatusOutput = z.strictObject({
  ...hostTpm,
  own: z
    .union([z.strictObject(judgement), z.strictObject({ problem: z.string() })])
    .describe("Measurements of the machine's own TPM, or why there are none now"),
  unguarded: z
    .array(z.string())
    .describe("What the host does not control in the machine's own TPM, as of its last start"),
});

export const tpmInfoOutput = z.strictObject({
  registrationId: z.string().describe('SHA-256 of the endorsement key, as provisioning services use it'),
  ...identity,
  endorsementKey: z.strictObject({ pem, tpm2b: base64Field.describe('TPM2B_PUBLIC in base64') }),
});

export const tpmNvReadOutput = z.strictObject({
  index: z.int(),
  data: base64Field.describe('Content of the index in base64'),
});
