import * as z from 'zod';
import { describe, HoldfastError } from '../base/errors.ts';
import { channels } from '../channel/channels.ts';
import { printRules } from '../guest/firewall.ts';
import { chain, chainLines, parseRules } from '../guest/firewall-file.ts';
import type { FirewallRule } from '../guest/firewall-rule.ts';
import type { Family } from '../guest/firewall-source.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';
import type { ContainerNetwork } from './container-networks.ts';
import type { Probe } from './guest-probe.ts';
import { isPodmans } from './podman-rules.ts';
import { reachableChains, rulesOf, type SavedTable, type SavedTables } from './saved-tables.ts';

/** Rules that `holdfast firewall list` shows. */
export const allowed: Probe<readonly FirewallRule[]> = {
  name: 'firewall-allowed',
  command: printRules,
  form: z.string().transform((text, context) => {
    try {
      return parseRules(text === '' ? '' : `${text}\n`);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      context.addIssue({ code: 'custom', message: describe(error) });
      return z.NEVER;
    }
  }),
};

const mask: Readonly<Record<Family, string>> = {
  ipv4: '255.255.255.255',
  ipv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
};

/**
 * Returns the rules of `firewall/ssh.rules` in the image: the fourth new connection of an address within a
 * minute is dropped.
 */
export function bruteForceRules(family: Family): string[] {
  const lists = { ssh: channels.user.port, management: channels.management.port };
  return Object.entries(lists).flatMap(([list, port]) => {
    const recent = (what: string) => `-m recent ${what} --name ${list} --mask ${mask[family]} --rsource`;
    const start = `-A INPUT -p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW`;
    return [
      `${start} ${recent('--rcheck --seconds 60 --hitcount 3')} -j DROP`,
      `${start} ${recent('--set')} -j ACCEPT`,
    ];
  });
}

/** RFC 4861: without router and neighbour messages there is no IPv6 at all. */
const neighbours = [134, 135, 136].map(
  (type) => `-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`,
);

/** Returns the rules of INPUT in their order. Further allowed ports are in a chain of their own, which comes last. */
export function expectedInput(family: Family, transport: Transport): string[] {
  return [
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ...(family === 'ipv6' ? neighbours : []),
    ...(transport === 'tcp' ? bruteForceRules(family) : []),
    `-A INPUT -j ${chain}`,
  ];
}

/** The same chain allows ports that Podman publishes. */
export const expectedForward = [`-A FORWARD -m conntrack --ctstate DNAT -j ${chain}`];

const none: SavedTable = { chains: new Map(), rules: [] };

function filterOf({ tables }: SavedTables): SavedTable {
  return tables.get('filter') ?? none;
}

/** Returns the rules of a built-in chain of the filter. */
export function filterRules(saved: SavedTables, name: string): string[] {
  return rulesOf(filterOf(saved).rules, name);
}

/**
 * Returns the unexpected and the missing rules among all that a packet can reach from a chain of the filter. Podman's own rules
 * for its networks are expected, and so is the chain of allowed services, which `allowedDifferences` judges.
 */
export function chainDifferences(
  saved: SavedTables,
  name: 'INPUT' | 'FORWARD',
  expected: readonly string[],
  networks: readonly ContainerNetwork[],
): string[] {
  const table = filterOf(saved);
  const reachable = [...reachableChains(table, name)].filter((each) => each !== chain);
  const others = reachable
    .flatMap((each) => rulesOf(table.rules, each))
    .filter((rule) => !isPodmans('filter', rule, networks));
  const more = others.filter((rule) => !expected.includes(rule));
  const less = expected.filter((rule) => !others.includes(rule));
  const problems = [
    ...saved.remarks.map((remark) => `iptables says: ${remark.slice(2)}`),
    ...policyProblems(table, name),
    ...more.map((rule) => `there is ${rule}`),
    ...less.map((rule) => `there is no ${rule}`),
  ];
  if (problems.length > 0 || others.join('\n') === expected.join('\n')) return problems;
  return [`the rules of ${name} are in another order`];
}

/** Returns the rules of the other tables that are not Podman's for its networks. */
export function otherTableProblems({ tables }: SavedTables, networks: readonly ContainerNetwork[]): string[] {
  return [...tables].flatMap(([name, { rules }]) =>
    name === 'filter'
      ? []
      : rules.filter((rule) => !isPodmans(name, rule, networks)).map((rule) => `${name} has ${rule}`),
  );
}

/** Returns the differences between allowed and active rules. */
export function allowedDifferences(
  saved: SavedTables,
  allowed: readonly FirewallRule[],
  family: Family,
): string[] {
  const found = filterRules(saved, chain);
  const expected = chainLines(allowed, family);
  const more = found.filter((rule) => !expected.includes(rule));
  const less = expected.filter((rule) => !found.includes(rule));
  return [
    ...more.map((rule) => `\`firewall list\` does not show ${rule}`),
    ...less.map((rule) => `not in force: ${rule}`),
  ];
}

function policyProblems({ chains }: SavedTable, name: string): string[] {
  const policy = chains.get(name);
  if (policy === 'DROP') return [];
  return [policy === undefined ? `${name} has no policy` : `the policy is -P ${name} ${policy}`];
}
