import { failure } from '../base/errors.ts';
import { runToEnd } from '../channel/run.ts';
import { readSoundStore } from '../firmware/saved-store.ts';
import { changedSecureBoot } from '../firmware/secure-boot.ts';
import { secureBootKeys } from '../machine/boot-keys.ts';
import { type MachineConfiguration, readConfiguration } from '../machine/configuration.ts';
import { forgetKeys, isRecoveryKey, keepRecoveryKey, unshownRecoveryKey } from '../machine/data-keys.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { startIn } from '../supervisor/guest.ts';
import { powerState, startMachine } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

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
 * @throws HoldfastError `recovery.wrong-key`, `recovery.secure-boot`, `machine.running`, and those of `encryptionOf` and `startMachine`.
 */
export async function startWithKey(layout: HomeLayout, name: MachineName, key: string): Promise<void> {
  const encryption = await encryptionOf(layout, name);
  if (!isRecoveryKey(key, encryption.recoveryKey)) {
    throw failure('recovery.wrong-key', `this is not the recovery key of '${name}'`, {
      why: 'it is one of another machine, or a letter of it is wrong',
      next: 'compare it with what `holdfast deploy` showed',
    });
  }
  const { secrets, variables } = machineLayout(layout, name);
  const power = await powerState(layout, name);
  if (!isOff(power)) throw running(name, power.state);
  await checkSecureBoot(layout, name, variables);
  let isOurs = false;
  const handOver = async () => {
    isOurs = true;
    await keepRecoveryKey(secrets, key);
  };
  try {
    if (!(await startMachine(layout, name, handOver))) throw running(name, 'running');
  } finally {
    if (isOurs) await forgetKeys(secrets); // the supervisor has done so, unless there was none
  }
}

/** With other keys of Secure Boot, or none, whoever put them there could have the data opened ever after. */
async function checkSecureBoot(layout: HomeLayout, name: MachineName, variables: string): Promise<void> {
  const { store } = await readSoundStore(variables);
  const changed = changedSecureBoot(store, await secureBootKeys(layout));
  if (changed.length === 0) return;
  throw failure('recovery.secure-boot', `the firmware of '${name}' would start what nobody signed`, {
    why: `changed since the deployment, in its UEFI variables or in the keys of this host: ${changed.join(', ')}`,
    next: 'put back what was changed; the recovery key would be given to whatever starts',
  });
}

/** Whether the guest said that the TPM did not take a key of the volume: `open_data` of image/initrd/unlock. */
export async function isLockedNextTime(layout: HomeLayout, name: MachineName): Promise<boolean> {
  const start = startIn(layout, name);
  const said = await runToEnd(start, ['cat', '/run/holdfast/degraded'], {
    timeoutMs: 30_000,
    accept: [0, 1],
  });
  return said.stdout.toString('latin1').includes('the TPM does not open Data');
}

function running(name: MachineName, state: string) {
  return failure('machine.running', `the machine '${name}' is ${state}`, {
    why: 'the recovery key is used when it starts',
    next: 'run `holdfast stop` first, if its data are locked or its TPM shall open them anew',
  });
}
