import { failure } from '../base/errors.ts';
import { type MachineConfiguration, readConfiguration } from './configuration.ts';
import { forgetKeys, isRecoveryKey, keepRecoveryKey, unshownRecoveryKey } from './data-keys.ts';
import { type HomeLayout, type MachineName, machineLayout } from './home.ts';
import { powerState, startMachine } from './power.ts';
import { isOff } from './state.ts';

/**
 * What `machine.json` keeps of a machine's keys.
 * @throws HoldfastError `recovery.plain` when its data are not encrypted, and those of `readConfiguration`.
 */
export async function encryptionOf(
  layout: HomeLayout,
  name: MachineName,
): Promise<NonNullable<MachineConfiguration['encryption']>> {
  const { encryption } = await readConfiguration(layout, name);
  if (encryption) return encryption;
  throw failure('recovery.plain', `there is nothing to recover on '${name}'`, {
    why: 'its data are not encrypted',
    next: 'deploy a machine with --encrypt-data to have that',
  });
}

/**
 * The recovery key of a machine whose deployment was cut off before it showed it; undefined when it was shown. Whoever shows
 * it calls `forgetKeys` then.
 * @throws HoldfastError `recovery.unfinished` before the first start is over, which needs the key.
 */
export async function unshownKey(layout: HomeLayout, name: MachineName): Promise<string | undefined> {
  const key = await unshownRecoveryKey(machineLayout(layout, name).secrets);
  if (key === undefined) return undefined;
  const { state } = await powerState(layout, name);
  if (state === 'running') return key;
  throw failure('recovery.unfinished', `the data of '${name}' may not be encrypted yet`, {
    why: `its first start needs the key, and it is ${state}`,
    next: 'run `holdfast start`, and then this again',
  });
}

/**
 * Starts a machine with its recovery key: it opens the data with it, and has the TPM keep a new key for them.
 * Does not wait until it has booted.
 * @throws HoldfastError `recovery.wrong-key`, `machine.running`, and those of `encryptionOf` and `startMachine`.
 */
export async function startWithKey(layout: HomeLayout, name: MachineName, key: string): Promise<void> {
  const encryption = await encryptionOf(layout, name);
  if (!isRecoveryKey(key, encryption.recoveryKey)) {
    throw failure('recovery.wrong-key', `this is not the recovery key of '${name}'`, {
      why: 'it is one of another machine, or a letter of it is wrong',
      next: 'compare it with what `holdfast deploy` showed',
    });
  }
  const { secrets } = machineLayout(layout, name);
  const power = await powerState(layout, name);
  if (!isOff(power)) throw running(name, power.state);
  await keepRecoveryKey(secrets, key);
  try {
    if (!(await startMachine(layout, name))) throw running(name, 'running');
  } finally {
    await forgetKeys(secrets); // the machine's process has read it
  }
}

function running(name: MachineName, state: string) {
  return failure('machine.running', `the machine '${name}' is ${state}`, {
    why: 'the recovery key is used when it starts',
    next: 'run `holdfast stop` first, if its data are locked or its TPM shall open them anew',
  });
}
