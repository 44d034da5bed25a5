import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { describe, HoldfastError } from '../base/errors.ts';
import { printRules } from '../guest/firewall.ts';
import { chain, chainLines, parseRules } from '../guest/firewall-file.ts';
import type { FirewallRule } from '../guest/firewall-rule.ts';
import type { Family } from '../guest/firewall-source.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';
import { lines, matching, type Probe } from './guest-probe.ts';

/** Returns the probe of every line of `iptables -S`: policies, chains, rules. */
function filterProbe(family: Family): Probe<readonly string[]> {
  return {
    name: `filter-${family}`,
    command: `${family === 'ipv4' ? 'iptables' : 'ip6tables'} -S`,
    form: lines(matching(/^(-[PNA] \S.{0,1000})$/, ([line = '']) => line)),
  };
}

export const filters = { ipv4: filterProbe('ipv4'), ipv6: filterProbe('ipv6') };

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
  const recent = (what: string) => `-m recent ${what} --name ssh --mask ${mask[family]} --rsource`;
  const ssh = '-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW';
  return [
    `${ssh} ${recent('--rcheck --seconds 60 --hitcount 3')} -j DROP`,
    `${ssh} ${recent('--set')} -j ACCEPT`,
  ];
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

/** Podman's network back end: its jumps, names for its containers, their egress, and answers to them. */
const podmansRules = [
  /^-A (?:INPUT|FORWARD) (?:-m comment --comment "netavark firewall rules" )?-j NETAVARK_[A-Z0-9_]+$/,
  /^-A NETAVARK_INPUT -s \S+ -p (tcp|udp) -m \1 --dport \d+ -j ACCEPT$/,
  /^-A NETAVARK_FORWARD -d \S+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT$/,
  /^-A NETAVARK_FORWARD -s \S+ -j ACCEPT$/,
  /^-A NETAVARK_\S+ (?:.* )?-j (?:DROP|NETAVARK_[A-Z0-9_]+)$/,
];

/** Returns the unexpected and the missing rules of a chain. Podman's own rules are no difference. */
export function chainDifferences(
  rules: readonly string[],
  name: 'INPUT' | 'FORWARD',
  expected: readonly string[],
): string[] {
  const of = (one: string) => rules.filter((rule) => rule.startsWith(`-A ${one} `));
  const isPodmans = (rule: string) => podmansRules.some((form) => form.test(rule));
  const found = of(name).filter((rule) => !isPodmans(rule));
  const more = [...found, ...of(`NETAVARK_${name}`)].filter(
    (rule) => !expected.includes(rule) && !isPodmans(rule),
  );
  const less = expected.filter((rule) => !found.includes(rule));
  const problems = [
    ...policyProblems(rules, name),
    ...more.map((rule) => `there is ${rule}`),
    ...less.map((rule) => `there is no ${rule}`),
  ];
  if (problems.length > 0 || found.join('\n') === expected.join('\n')) return problems;
  return [`the rules of ${name} are in another order`];
}

/** Returns the differences between allowed and active rules. */
export function allowedDifferences(
  rules: readonly string[],
  allowed: readonly FirewallRule[],
  family: Family,
): string[] {
  const found = rules.filter((rule) => rule.startsWith(`-A ${chain} `));
  const expected = chainLines(allowed, family);
  const more = found.filter((rule) => !expected.includes(rule));
  const less = expected.filter((rule) => !found.includes(rule));
  return [
    ...more.map((rule) => `\`firewall list\` does not show ${rule}`),
    ...less.map((rule) => `not in force: ${rule}`),
  ];
}

/** Returns whether only containers can reach this listener: Podman's name service, on an address of their network. */
export function isForContainers(
  rules: readonly string[],
  { protocol, address, port }: { readonly protocol: string; readonly address: string; readonly port: number },
): boolean {
  const own = address.replace(/^\[(.*)\]$/, '$1');
  return rules.some((rule) => {
    const [, network = '', prefix, allowed, to] =
      /^-A NETAVARK_INPUT -s ([0-9a-f.:]+)\/(\d{1,3}) -p (\S+) -m \S+ --dport (\d+) -j ACCEPT$/.exec(rule) ??
      [];
    if (allowed !== protocol || Number(to) !== port || isIP(network) !== isIP(own)) return false;
    const networks = new BlockList();
    const family = isIP(network) === 4 ? 'ipv4' : 'ipv6';
    networks.addSubnet(network, Number(prefix), family);
    return networks.check(own, family);
  });
}

function policyProblems(rules: readonly string[], name: string): string[] {
  const policy = rules.find((rule) => rule.startsWith(`-P ${name} `));
  if (policy === `-P ${name} DROP`) return [];
  return [policy === undefined ? `${name} has no policy` : `the policy is ${policy}`];
}
