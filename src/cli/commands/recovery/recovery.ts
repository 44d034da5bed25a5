import { waitUntilReady } from '../../../lifecycle/readiness.ts';
import { encryptionOf, isLockedNextTime, startWithKey, unshownKey } from '../../../lifecycle/recovery.ts';
import { parseRecoveryKey } from '../../../machine/data-keys.ts';
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
  description:
    'If the recovery key of a machine with encrypted data was never shown, prints it once. Otherwise reads the key, without echo from a terminal or else from standard input, and starts the machine with it.',
  arguments: {},
  flags: {},
  examples: [
    ['holdfast recovery', 'Show the key if it was never shown, else ask for it and start the machine'],
    ['holdfast recovery <key', 'Read the key from a file'],
  ],
  output: async () => (await import('../../output/machines.ts')).recoveryOutput,
  async run({ machine, progress, signal, output, streams }) {
    await encryptionOf(machine);
    const recoveryKey = await unshownKey(machine);
    if (recoveryKey !== undefined) {
      output.result({ machine: machine.name, recoveryKey }, recoveryKeyText(recoveryKey));
      await forgetShown(machine.paths.secrets, output, signal);
      return;
    }
    const key = parseRecoveryKey(await askSecret(streams, `recovery key of ${machine.name}: `, signal));
    await startWithKey(machine, key);
    const boot = await waitUntilReady(machine, progress, signal);
    const { verity } = await machine.configuration();
    const tpmOpens = verity === 'on' && !(await isLockedNextTime(machine));
    const next = tpmOpens ? 'its TPM unlocks the data again from now on' : whyLocked[verity];
    output.result(
      { machine: machine.name, state: 'running', boot, tpmOpens },
      `${readyText(machine.name, boot, true)}; ${next}`,
    );
  },
});
