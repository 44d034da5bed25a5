import type { ErrorEntry } from './entry.ts';

/** TPM, attestation, audit and the recovery of encrypted data. */
export const trustCodes = {
  'attest.failed': {
    when: 'The measurements of the boot do not match the release of the machine.',
    remedy:
      'Treat the machine as compromised. Run `holdfast audit` and `holdfast verity status` for details.',
  },
  'attest.file': {
    when: 'A file of evidence or of trusted keys cannot be read or parsed.',
    remedy: 'Record the evidence again, or name a file that `holdfast attest` printed.',
  },
  'attest.key': {
    when: 'The attestation key of the machine is not known to this host.',
    remedy:
      'Run `holdfast start`, which records it. If the machine was started before, stop it and run `holdfast attest enrol`.',
  },
  'attest.machine': {
    when: 'The evidence belongs to another machine than the one it is verified for.',
    remedy: 'Name the machine with `--machine`, or give the trusted keys of its host with `--trust`.',
  },
  'attest.no-quote': {
    when: 'The TPM of the machine does not sign evidence, such as because software in the guest removed its key.',
    remedy:
      'Run `holdfast restart`, which brings the key back. If that does not help, stop the machine and run `holdfast attest enrol`.',
  },
  'attest.trust': {
    when: 'This host knows no attestation key of the machine.',
    remedy: 'Run `holdfast attest trust` on its host, and give the result with `--trust`.',
  },
  'audit.fact': {
    when: 'A fact about the host that an audit check needs cannot be read.',
    remedy: 'Fix the reason that the error states, and run the audit again.',
  },
  'audit.failed': {
    when: 'At least one claim of the audit does not hold.',
    remedy:
      'Read the evidence of each; `holdfast restart` undoes changes that are not on Data or on this host.',
  },
  'audit.probe': {
    when: 'The output of an audit probe in the guest cannot be parsed.',
    remedy: 'Restart the machine and run the audit again; if it repeats, treat the guest as changed.',
  },
  'recovery.malformed': {
    when: 'The text is not eight groups of eight letters of a recovery key.',
    remedy: 'Type the key as `holdfast deploy` printed it.',
  },
  'recovery.plain': {
    when: 'The data of the machine are not encrypted.',
    remedy: 'No recovery is needed. Deploy with `--encrypt-data` to encrypt the data of a machine.',
  },
  'recovery.secure-boot': {
    when: 'Secure Boot of the machine is not as it was deployed, so its firmware might start unsigned code.',
    remedy:
      'Undo the changes that the error lists; until then, the recovery key would be passed to any program that starts.',
  },
  'recovery.unfinished': {
    when: 'The first start of the machine, which encrypts its data, has not completed.',
    remedy: 'Run `holdfast start`, and then the command again.',
  },
  'recovery.wrong-key': {
    when: 'The recovery key has a wrong letter or belongs to another machine.',
    remedy: 'Compare it with what `holdfast deploy` printed.',
  },
  'tpm.absent': {
    when: "The host's TPM cannot be opened.",
    remedy: 'Check that this host has a TPM 2.0, and that this user is in the group `tss`.',
  },
  'tpm.auth': {
    when: 'The file with the authorization value of an NV index cannot be read.',
    remedy: 'Check the path and its permissions.',
  },
  'tpm.index': {
    when: 'A number is not an NV index.',
    remedy: 'Write it as tpm2-tools print it, such as `0x1500001`, or as its offset, such as `3001`.',
  },
  'tpm.key': {
    when: 'A TPM has or created a key of an unsupported type.',
    remedy: 'Check that the TPM has an RSA endorsement key.',
  },
  'tpm.log': {
    when: 'The event log of the boot is malformed.',
    remedy: 'Treat the boot of the machine as unproven, and read `holdfast logs`.',
  },
  'tpm.lost': {
    when: "The host's TPM closed the connection or failed during a command.",
    remedy: 'Check that the TPM is still present.',
  },
  'tpm.make': {
    when: "The machine's own TPM could not be created.",
    remedy: 'Check that the package `swtpm` is intact, and that the disk has free space.',
  },
  'tpm.malformed': {
    when: 'A TPM sent a response that does not follow the TPM 2.0 specification.',
    remedy: 'Check that the device or socket is a TPM 2.0.',
  },
  'tpm.nv-read': {
    when: "An NV index of the host's TPM cannot be read.",
    remedy: 'Follow the advice of the error: the index may not exist, or may need an authorization value.',
  },
  'tpm.off': {
    when: "The machine has no access to the host's TPM.",
    remedy: 'Run `holdfast tpm enable`; it states the risk.',
  },
  'tpm.path': {
    when: 'The path of the TPM state contains a comma, which swtpm does not support.',
    remedy: 'Move HOLDFAST_HOME to a directory without a comma in its path.',
  },
  'tpm.quote': {
    when: 'A quote is malformed, is not signed by the attestation key, or has another nonce.',
    remedy: 'Treat the boot of the machine as unproven, and request new evidence.',
  },
  'tpm.refused': {
    when: 'A TPM answered a command with an error code.',
    remedy: 'Run `tpm2_rc_decode` with the code to read its meaning.',
  },
  'tpm.silent': {
    when: "The host's TPM did not answer within the time limit.",
    remedy: 'Check whether other programs can use it, and read the kernel log.',
  },
  'tpm.transport': {
    when: "The machine uses `--transport tcp`, and the host's TPM is reached over vsock only.",
    remedy: 'Deploy the machine without `--transport tcp`.',
  },
} as const satisfies Record<string, ErrorEntry>;
