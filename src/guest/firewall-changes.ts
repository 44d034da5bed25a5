import { failure, misuse } from '../base/errors.ts';
import { channels } from '../channel/channels.ts';
import type { Guest } from '../channel/guest.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';
import { changeAllowed, replaceAllowed } from './firewall.ts';
import {
  coversPort,
  describeRule,
  type FirewallRule,
  familiesOf,
  isSameRule,
  ruleLimit,
} from './firewall-rule.ts';

/**
 * Allows a service, now and at every boot. A rule that exists takes over the comment, if one is given.
 * @param transport of the machine: the TCP ports of the channels may be its own.
 * @returns false when nothing changed.
 * @throws HoldfastError `firewall.channel`, `firewall.families`, `firewall.full`; those of `changeAllowed`.
 */
export async function allowService(guest: Guest, transport: Transport, rule: FirewallRule): Promise<boolean> {
  checkRule(rule, transport);
  return changeAllowed(guest, (rules) => withRule(rules, rule));
}

/**
 * Removes a rule; established connections stay.
 * @throws HoldfastError `firewall.none` when there is no such rule; those of `changeAllowed`.
 */
export async function disallowService(guest: Guest, rule: Omit<FirewallRule, 'comment'>): Promise<void> {
  await changeAllowed(guest, (rules) => withoutRule(rules, rule));
}

/** Removes all rules, even when the guest's file of rules is damaged. @throws HoldfastError those of `Guest.run`. */
export async function resetFirewall(guest: Guest): Promise<void> {
  await replaceAllowed(guest, []);
}

/** Rejects rules for the channel, and those that allow nothing. @throws HoldfastError `firewall.channel`, `firewall.families` (exit code 2). */
export function checkRule(rule: FirewallRule, transport: Transport): void {
  const taken = Object.values(channels).find(({ port }) => coversPort(rule, 'tcp', port));
  if (transport === 'tcp' && taken) {
    throw misuse('firewall.channel', `TCP port ${taken.port} is a channel of this machine`, {
      why: 'it was deployed with --transport tcp, which allows three connections a minute from each address',
      next: 'allow other ports',
    });
  }
  if (familiesOf(rule).length === 0) {
    throw misuse('firewall.families', `the rule would allow nothing: ${describeRule(rule)}`, {
      why: 'icmp is IPv4, and icmpv6 is IPv6',
      next: 'use an address of the same family with --from',
    });
  }
}

/** Returns the rules with another one. @throws HoldfastError `firewall.full`. */
export function withRule(rules: readonly FirewallRule[], rule: FirewallRule): readonly FirewallRule[] {
  const present = rules.find((each) => isSameRule(each, rule));
  if (present) {
    if (rule.comment === undefined || rule.comment === present.comment) return rules;
    return rules.map((each) => (each === present ? rule : each));
  }
  if (rules.length >= ruleLimit) {
    throw failure('firewall.full', 'there are too many rules', {
      why: `a machine has at most ${ruleLimit}`,
      next: 'remove rules, or replace several by one with a range of ports or a network',
    });
  }
  return [...rules, rule];
}

/** Returns the rules without one. @throws HoldfastError `firewall.none`. */
export function withoutRule(
  rules: readonly FirewallRule[],
  rule: Omit<FirewallRule, 'comment'>,
): readonly FirewallRule[] {
  const rest = rules.filter((each) => !isSameRule(each, rule));
  if (rest.length < rules.length) return rest;
  throw failure('firewall.none', `there is no rule ${describeRule(rule)}`, {
    why: 'a rule is identified by its service and its source',
    next: '`holdfast firewall list` shows the rules',
  });
}
