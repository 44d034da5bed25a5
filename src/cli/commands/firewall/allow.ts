import { allowService } from '../../../guest/firewall-changes.ts';
import { describeRule, type FirewallRule, parseComment } from '../../../guest/firewall-rule.ts';
import { guestOf } from '../../../supervisor/guest.ts';
import { defineCommand } from '../../framework/command.ts';
import { setting } from '../../framework/parameters.ts';
import { ruleFromFlag, ruleJson, serviceArgument } from './rule.ts';

export const firewallAllowCommand = defineCommand({
  description:
    'Allows incoming connections at once and after each restart. The rule also applies to ports that Podman publishes.',
  arguments: { service: serviceArgument },
  flags: {
    from: ruleFromFlag,
    comment: setting('TEXT', 'What the rule is for', parseComment),
  },
  examples: [
    ['holdfast firewall allow tcp/8080', 'Allow a port from anywhere'],
    [
      'holdfast firewall allow udp/5000-5010 --from 192.0.2.0/24 --comment "sensors"',
      'Allow ports from a network',
    ],
  ],
  output: async () => (await import('../../output/guest.ts')).firewallAllowOutput,
  async run({ arguments: { service }, flags, machine, output }) {
    const rule: FirewallRule = { service, from: flags.from, comment: flags.comment };
    const { transport } = await machine.configuration();
    const changed = await allowService(guestOf(machine), transport, rule);
    output.result(
      { machine: machine.name, ...ruleJson(rule), allowed: true, changed },
      `${machine.name} ${changed ? 'allows' : 'already allows'} ${describeRule(rule)}`,
    );
  },
});
