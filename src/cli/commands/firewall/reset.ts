import { resetFirewall } from '../../../guest/firewall-changes.ts';
import { guestOf } from '../../../supervisor/guest.ts';
import { defineCommand } from '../../framework/command.ts';

export const firewallResetCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast firewall reset', 'Accept no new incoming connections']],
  output: async () => (await import('../../output/guest.ts')).firewallListOutput,
  async run({ machine, output }) {
    await resetFirewall(guestOf(machine));
    output.result({ machine: machine.name, rules: [] }, `${machine.name} no longer has any rules`);
  },
});
