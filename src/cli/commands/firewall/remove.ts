import { disallowService } from '../../../guest/firewall-changes.ts';
import { describeRule, type FirewallRule } from '../../../guest/firewall-rule.ts';
import { guestOf } from '../../../supervisor/guest.ts';
import { defineCommand } from '../../framework/command.ts';
import { ruleFromFlag, ruleJson, serviceArgument } from './rule.ts';

export const firewallRemoveCommand = defineCommand({
  description: 'Established connections continue.',
  arguments: { service: serviceArgument },
  flags: { from: ruleFromFlag },
  examples: [
    ['holdfast firewall remove tcp/8080', 'Remove the rule for a port'],
    ['holdfast firewall remove udp/5000-5010 --from 192.0.2.0/24', 'Remove the rule for one network'],
  ],
  output: async () => (await import('../../output/guest.ts')).firewallRemoveOutput,
  async run({ arguments: { service: given }, flags, machine, output }) {
    const rule: FirewallRule = { service: given, from: flags.from, comment: undefined };
    await disallowService(guestOf(machine), rule);
    const { service, from } = ruleJson(rule);
    output.result(
      { machine: machine.name, service, from, allowed: false, changed: true },
      `${machine.name} no longer has a rule that allows ${describeRule(rule)}`,
    );
  },
});
