import { waitUntilReady } from '../../../lifecycle/readiness.ts';
import { encryptionOf, isLockedNextTime, startWithKey, unshownKey } from '../../../lifecycle/recovery.ts';
import { readConfiguration } from '../../../machine/configuration.ts';
import { parseRecoveryKey } from '../../../machine/data-keys.ts';
import { machineLayout } from '../../../machine/paths.ts';
import { defineCommand } from '../../framework/command.ts';
import { askSecret } from '../../terminal/secret.ts';
import { readyText, recoveryKeyText } from '../status/text.ts';
import { forgetShown } from './shown-key.ts';

/** Why the next start needs the recovery key again. */
const whyLocked = {
  on: 'its TPM does not unlock the data: the next start needs the recovery key again',
  off: 'its TPM unlocks the data once verity is enabled again',
} as const;

export const recoveryCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast recovery', 'Show the key if nobody has seen it, else ask for it and start the machine'],
    ['holdfast recovery <key', 'Read the key from a file'],
  ],
  async run({ machine, layout, progress, signal, output, streams }) {
    await encryptionOf(layout, machine);
    const recoveryKey = await unshownKey(layout, machine);
    if (recoveryKey !== undefined) {
      output.result({ machine, recoveryKey }, recoveryKeyText(recoveryKey));
      await forgetShown(machineLayout(layout, machine).secrets, output, signal);
      return;
    }
    const key = parseRecoveryKey(await askSecret(streams, `recovery key of ${machine}: `, signal));
    await startWithKey(layout, machine, key);
    const boot = await waitUntilReady(layout, machine, progress, signal);
    const { verity } = await readConfiguration(layout, machine);
    const tpmOpens = verity === 'on' && !(await isLockedNextTime(layout, machine));
    const next = tpmOpens ? 'its TPM unlocks the data again from now on' : whyLocked[verity];
    output.result(
      { machine, state: 'running', boot, tpmOpens },
      `${readyText(machine, boot, true)}; ${next}`,
    );
  },
});
