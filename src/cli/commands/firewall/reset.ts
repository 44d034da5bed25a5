import { resetFirewall } from '../../../guest/firewall-changes.ts';
import { defineCommand } from '../../framework/command.ts';

export const firewallResetCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast firewall reset', 'Accept no new incoming connections']],
  async run({ machine, layout, output }) {
    await resetFirewall(layout, machine);
    output.result({ machine, rules: [] }, `${machine} no longer has any rules`);
  },
});
