import { createHash, createPublicKey } from 'node:crypto';
import { failure } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import { enrolVirtualTpm } from '../tpm/virtual/enrolment.ts';

/** The result of recording an attestation key again. Fingerprints are SHA-256 of SubjectPublicKeyInfo: hex. */
export interface EnrolledMachine {
  readonly changed: boolean;
  readonly fingerprint: string;
  /** Undefined when no key was recorded before. */
  readonly before: string | undefined;
  readonly cleared: boolean;
  /** True when the data were sealed to what the TPM lost. */
  readonly needsRecovery: boolean;
  readonly changes: readonly string[];
}

/**
 * Makes a machine's TPM quote with a key of its own again, and records its public half. The machine must be off: the host alone
 * talks to the TPM, so no guest can offer a key.
 * @param allowClear is called before the TPM is cleared, with the consequence in one sentence.
 * @throws HoldfastError `machine.running`, what `allowClear` throws, and those of `Machine.locked` and `enrolVirtualTpm`.
 */
export function enrolMachine(
  machine: Machine,
  allowClear: (consequence: string) => Promise<void>,
): Promise<EnrolledMachine> {
  return machine.locked('attest enrol', async () => {
    const power = await powerState(machine);
    if (!isOff(power)) throw running(machine, power.state);
    const isEncrypted = (await machine.configuration()).encryption !== undefined;
    const { before, key, cleared, changes } = await enrolVirtualTpm(machine.paths.tpm, (foreign) =>
      allowClear(consequenceOf(foreign, isEncrypted)),
    );
    return {
      changed: changes.length > 0 || before !== key,
      fingerprint: fingerprintOf(key),
      before: before === undefined ? undefined : fingerprintOf(before),
      cleared,
      needsRecovery: cleared && isEncrypted,
      changes,
    };
  });
}

function consequenceOf(foreign: readonly string[], isEncrypted: boolean): string {
  const data = isEncrypted
    ? ', and its encrypted data then open with the recovery key only, which `holdfast recovery` takes'
    : '';
  return `The host does not know the authorization of ${foreign.join(', ')} in the machine's TPM, so the TPM must be cleared: keys and data that software in the guest keeps in it or sealed to it are lost${data}.`;
}

function fingerprintOf(pem: string): string {
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

function running({ name }: Machine, state: string) {
  return failure('machine.running', `the machine '${name}' is ${state}`, {
    why: 'its guest could offer a key of its own while it uses the TPM',
    next: 'run `holdfast stop` first',
  });
}
