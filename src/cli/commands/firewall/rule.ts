import { describeService, type FirewallRule, parseService } from '../../../guest/firewall-rule.ts';
import { parseSource } from '../../../guest/firewall-source.ts';
import { required, setting } from '../../framework/parameters.ts';

/** The service that a rule is about. */
export const serviceArgument = required(
  'SERVICE',
  'tcp/PORT, udp/PORT, tcp/FIRST-LAST, udp/FIRST-LAST, icmp or icmpv6',
  parseService,
);

export const ruleFromFlag = setting(
  'CIDR',
  'Only from this address or network (default: from anywhere)',
  parseSource,
);

/** Returns the JSON form. `from` and `comment` are null when there is none, so that each key is always present. */
export function ruleJson({ service, from, comment }: FirewallRule) {
  return { service: describeService(service), from: from ?? null, comment: comment ?? null };
}
