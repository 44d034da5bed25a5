import { failure, misuse } from '../base/errors.ts';
import { runToEnd } from '../channel/run.ts';
import type { Session } from '../channel/session.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';
import { readConfiguration } from '../machine/configuration.ts';
import type { HomeLayout, MachineName } from '../machine/paths.ts';
import { startIn } from '../supervisor/guest.ts';
import { changeAllowed, readAllowed, replaceAllowed } from './firewall.ts';
import {
  coversPort,
  describeRule,
  type FirewallRule,
  familiesOf,
  isSameRule,
  ruleLimit,
} from './firewall-rule.ts';

/**
 * What a running machine lets in, as the guest has it: the host keeps no copy.
 * @throws HoldfastError `firewall.damaged`, those of `startIn` and `runToEnd`.
 */
export async function allowedIn(layout: HomeLayout, name: MachineName): Promise<readonly FirewallRule[]> {
  return readAllowed(guestOf(layout, name));
}

/**
 * Lets something in, at once and from boot on. A rule that is there gets the comment, if one is given.
 * @returns false when it was so already.
 * @throws HoldfastError `firewall.channel`, `firewall.families`, `firewall.full`; those of `changeAllowed`.
 */
export async function allowIn(layout: HomeLayout, name: MachineName, rule: FirewallRule): Promise<boolean> {
  const { transport } = await readConfiguration(layout, name);
  checkRule(rule, transport);
  return changeAllowed(guestOf(layout, name), (rules) => withRule(rules, rule));
}

/**
 * Lets something in no longer; connections that stand go on.
 * @throws HoldfastError `firewall.none` when there is no such rule; those of `changeAllowed`.
 */
export async function disallowIn(
  layout: HomeLayout,
  name: MachineName,
  rule: Omit<FirewallRule, 'comment'>,
): Promise<void> {
  await changeAllowed(guestOf(layout, name), (rules) => withoutRule(rules, rule));
}

/**
 * Lets nothing in any more, also when the guest's file of rules is damaged.
 * @throws HoldfastError those of `startIn` and `replaceAllowed`.
 */
export async function resetFirewall(layout: HomeLayout, name: MachineName): Promise<void> {
  await replaceAllowed(guestOf(layout, name), []);
}

/** @throws HoldfastError `firewall.channel`, `firewall.families`: exit code 2. */
export function checkRule(rule: FirewallRule, transport: Transport): void {
  if (transport === 'tcp' && coversPort(rule, 'tcp', 22)) {
    throw misuse('firewall.channel', 'TCP port 22 is the channel of this machine', {
      why: 'it was deployed with --transport tcp: everybody may try, three times a minute',
      next: 'allow other ports',
    });
  }
  if (familiesOf(rule).length === 0) {
    throw misuse('firewall.families', `nobody could come in: ${describeRule(rule)}`, {
      why: 'icmp is IPv4, and icmpv6 is IPv6',
      next: 'give --from an address of the same family',
    });
  }
}

/** The rules with one more. @throws HoldfastError `firewall.full`. */
export function withRule(rules: readonly FirewallRule[], rule: FirewallRule): readonly FirewallRule[] {
  const present = rules.find((each) => isSameRule(each, rule));
  if (present) {
    if (rule.comment === undefined || rule.comment === present.comment) return rules;
    return rules.map((each) => (each === present ? rule : each));
  }
  if (rules.length >= ruleLimit) {
    throw failure('firewall.full', 'there are too many rules', {
      why: `a machine has at most ${ruleLimit}`,
      next: 'remove some, or let ranges of ports or networks take their place',
    });
  }
  return [...rules, rule];
}

/** The rules with one less. @throws HoldfastError `firewall.none`. */
export function withoutRule(
  rules: readonly FirewallRule[],
  rule: Omit<FirewallRule, 'comment'>,
): readonly FirewallRule[] {
  const rest = rules.filter((each) => !isSameRule(each, rule));
  if (rest.length < rules.length) return rest;
  throw failure('firewall.none', `there is no rule ${describeRule(rule)}`, {
    why: 'a rule is removed by what it allows, and from whom',
    next: '`holdfast firewall list` shows the rules',
  });
}

function guestOf(layout: HomeLayout, name: MachineName): Pick<Session, 'run'> {
  const start = startIn(layout, name);
  return { run: (argv, options) => runToEnd(start, argv, options) };
}
