import { readAllowed } from '../../../guest/firewall.ts';
import { describeService } from '../../../guest/firewall-rule.ts';
import { guestOf } from '../../../supervisor/guest.ts';
import { defineCommand } from '../../framework/command.ts';
import { columns } from '../../terminal/columns.ts';
import { ruleJson } from './rule.ts';

export const firewallListCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast firewall list', 'List the connections that the guest accepts']],
  output: async () => (await import('../../output/guest.ts')).firewallListOutput,
  async run({ machine, output }) {
    const rules = await readAllowed(guestOf(machine));
    const rows = rules.map(({ service, from, comment }) => [
      describeService(service),
      from ?? 'anywhere',
      comment ?? '',
    ]);
    const text = rules.length === 0 ? 'nothing is allowed' : columns(['SERVICE', 'FROM', 'COMMENT'], rows);
    output.result({ machine: machine.name, rules: rules.map(ruleJson) }, text);
  },
});
