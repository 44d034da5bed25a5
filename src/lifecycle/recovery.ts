import { failure } from '../base/errors.ts';
import { readIntactStore } from '../firmware/saved-store.ts';
import { changedSecureBoot } from '../firmware/secure-boot.ts';
import { secureBootKeys } from '../machine/boot-keys.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import { forgetKeys, isRecoveryKey, keepRecoveryKey, unshownRecoveryKey } from '../machine/data-keys.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';
import { powerState, startMachine } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/**
 * Returns the digests of a machine's keys in `machine.json`.
 * @throws HoldfastError `recovery.plain` when its data are not encrypted, and those of
 *   `Machine.configuration`.
 */
export async function encryptionOf(
  machine: Machine,
): Promise<NonNullable<MachineConfiguration['encryption']>> {
  const { encryption } = await machine.configuration();
  if (encryption) return encryption;
  throw failure('recovery.plain', `there is nothing to recover on '${machine.name}'`, {
    why: 'its data are not encrypted',
    next: 'deploy a machine with --encrypt-data to encrypt them',
  });
}

/**
 * Returns the recovery key of a machine whose deployment was interrupted before it showed the key; undefined when it was shown.
 * The caller shows it, then calls `forgetKeys`.
 * @throws HoldfastError `recovery.unfinished` until the first start, which needs the key, is complete.
 */
export async function unshownKey(machine: Machine): Promise<string | undefined> {
  const key = await unshownRecoveryKey(machine.paths.secrets);
  if (key === undefined) return undefined;
  const { state } = await powerState(machine);
  if (state === 'running') return key;
  throw failure('recovery.unfinished', `the data of '${machine.name}' may not be encrypted yet`, {
    why: `its first start needs the key, and it is ${state}`,
    next: 'run `holdfast start`, then this command again',
  });
}

/**
 * Starts a machine with its recovery key, which opens the data; the guest then seals a new key to the TPM. Does not wait until
 * it has booted.
 * @throws HoldfastError `recovery.wrong-key`, `recovery.secure-boot`, `machine.running`, and those of `encryptionOf` and `startMachine`.
 */
export async function startWithKey(machine: Machine, key: string): Promise<void> {
  const encryption = await encryptionOf(machine);
  if (!isRecoveryKey(key, encryption.recoveryKey)) {
    throw failure('recovery.wrong-key', `this is not the recovery key of '${machine.name}'`, {
      why: 'it belongs to another machine, or has a typing error',
      next: 'compare it with what `holdfast deploy` showed',
    });
  }
  const { secrets } = machine.paths;
  const power = await powerState(machine);
  if (!isOff(power)) throw running(machine, power.state);
  await checkSecureBoot(machine);
  let isOurs = false;
  const handOver = async () => {
    isOurs = true;
    await keepRecoveryKey(secrets, key);
  };
  try {
    if (!(await startMachine(machine, { handOver }))) throw running(machine, 'running');
  } finally {
    if (isOurs) await forgetKeys(secrets); // the supervisor has done so, unless there was none
  }
}

/**
 * Checks Secure Boot: an attacker who changed its keys could otherwise have the new key sealed to software of
 * their own.
 */
async function checkSecureBoot(machine: Machine): Promise<void> {
  const { store } = await readIntactStore(machine.paths.variables);
  const changed = changedSecureBoot(store, await secureBootKeys(machine.home));
  if (changed.length === 0) return;
  throw failure('recovery.secure-boot', `the firmware of '${machine.name}' would start unsigned software`, {
    why: `changed since the deployment, in its UEFI variables or in the keys of this host: ${changed.join(', ')}`,
    next: 'undo the changes; until then the recovery key would be handed to whatever software starts',
  });
}

/**
 * Returns whether the guest reported that no key of the volume could be sealed to the TPM: `open_data` of
 * image/initrd/unlock.
 */
export async function isLockedNextTime(machine: Machine): Promise<boolean> {
  const { stdout } = await guestOf(machine).run(['cat', '/run/holdfast/degraded'], {
    timeoutMs: 30_000,
    accept: [0, 1],
  });
  return stdout.toString('latin1').includes('the TPM does not open Data');
}

function running({ name }: Machine, state: string) {
  return failure('machine.running', `the machine '${name}' is ${state}`, {
    why: 'the recovery key is used when it starts',
    next: 'run `holdfast stop` first, if its data are locked or its TPM no longer opens them',
  });
}
