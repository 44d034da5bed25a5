import type { Verity } from '../../disk/layout.ts';
import { chooseNextStart } from '../../lifecycle/boot-options.ts';
import { type MachineStatus, machineStatus } from '../../lifecycle/status.ts';
import { defineVerb, oneOf, required, toggle } from '../framework/command.ts';
import { confirm } from '../terminal/confirm.ts';

const risk =
  'Without verity the root is still read-only, but nothing notices when somebody changes it on the disk: what was changed runs, and stays.';

const lockedRisk =
  'Its TPM does not open the encrypted data for such a root: each start needs `holdfast recovery` and the recovery key.';

export const verb = defineVerb({
  arguments: {
    wish: required(
      'status|enable|disable',
      'show whether dm-verity checks the root, or switch it from the next start on',
      oneOf('status', 'enable', 'disable'),
    ),
  },
  flags: { yes: toggle('do not ask for confirmation') },
  examples: [
    ['holdfast verity status', 'show what runs, and what the next start does'],
    ['holdfast verity disable', 'start the release without verification from the next start on'],
    ['holdfast verity enable', 'verify every block of the root again, from the next start on'],
  ],
  async run({ arguments: { wish }, flags, ...context }) {
    const { layout, machine, output } = context;
    let changed = false;
    if (wish !== 'status') {
      const before = await machineStatus(layout, machine); // also says that there is no such machine
      const risks = before.dataEncrypted ? `${risk} ${lockedRisk}` : risk;
      if (wish === 'disable' && before.verity === 'on' && !flags.yes) await confirm(context, risks);
      changed = await chooseNextStart(layout, machine, { verity: wish === 'enable' ? 'on' : 'off' });
    }
    const status = await machineStatus(layout, machine);
    const { verity: configured } = status;
    const runs = runningVerity(status);
    const result = { machine, configured, runs: runs ?? null, changed };
    output.result(result, verityText(status));
  },
});

/** What runs; undefined while the guest does not say. */
function runningVerity({ guest }: MachineStatus): Verity | undefined {
  return guest && (guest.verity === 'off' ? 'off' : 'on');
}

/** What is chosen and, where it differs, what runs. */
function verityText(status: MachineStatus): string {
  const { name, verity, state } = status;
  const words = {
    on: 'on: every block of the root is verified',
    off: 'OFF: the root is not verified',
  } as const;
  const runs = runningVerity(status);
  if (runs === verity) return `${name}: verity is ${words[verity]}`;
  if (runs === undefined) return `${name} is ${state}: with its next start verity is ${words[verity]}`;
  return `${name}: verity is ${words[runs]}\nafter the next restart it is ${words[verity]}; \`holdfast restart\` does that now`;
}
