import { describe, failure, HoldfastError } from '../base/errors.ts';
import {
  coversPort,
  type FirewallRule,
  familiesOf,
  isComment,
  isSameRule,
  parseService,
  ruleLimit,
  type Service,
} from './firewall-rule.ts';
import { type Family, parseSource } from './firewall-source.ts';

/** The chain of the rules; INPUT and FORWARD of the image jump to it. */
export const chain = 'HOLDFAST';

/** The first and the last lines of the file. It ends with COMMIT, so that a truncated file is not loaded. */
const head = ['# Written by `holdfast firewall`, and loaded at boot', '*filter', `:${chain} - [0:0]`];
const tail = ['COMMIT', ''];

const onlyIn = { ipv4: '-4 ', ipv6: '-6 ' } as const;

/**
 * Returns the input of iptables-restore(8) and ip6tables-restore(8): one file for both families, each line as `iptables -S` prints
 * it. `image/…/firewall/allowed.form` describes the same form to the machine, which loads nothing else at boot.
 */
export function serializeRules(rules: readonly FirewallRule[]): string {
  const lines = rules.map((rule) => {
    const [family, other] = familiesOf(rule);
    return `${family && !other ? onlyIn[family] : ''}${serializeRule(rule)}`;
  });
  return [...head, ...lines, ...tail].join('\n');
}

/** Returns a rule as `iptables -S` prints it. */
function serializeRule({ service, from, comment }: FirewallRule): string {
  const words = [`-A ${chain}`];
  if (from !== undefined) words.push(`-s ${from}`);
  words.push(serializeService(service));
  if (comment !== undefined) words.push(`-m comment --comment ${quoteComment(comment)}`);
  return [...words, '-j ACCEPT'].join(' ');
}

const pings = {
  icmp: '-p icmp -m icmp --icmp-type 8',
  icmpv6: '-p ipv6-icmp -m icmp6 --icmpv6-type 128',
} as const;

/**
 * Matches the original destination port: for a port that Podman publishes, not the container's port, which the packet has after
 * Podman's translation.
 */
function serializeService(service: Service): string {
  if (!('first' in service)) return pings[service.protocol];
  const { protocol, first, last } = service;
  const ports = first === last ? first : `${first}:${last}`;
  return `-p ${protocol} -m conntrack --ctstate NEW --ctorigdstport ${ports}`;
}

/** Quotes as iptables does, only where required (xtables_save_string). */
function quoteComment(comment: string): string {
  return /^[\w-]+$/.test(comment) ? comment : `"${comment}"`;
}

const line = new RegExp(
  [
    `^(?:-[46] )?-A ${chain}(?: -s (?<from>\\S+))? -p `,
    '(?:(?<protocol>tcp|udp) -m conntrack --ctstate NEW --ctorigdstport (?<ports>[\\d:]+)|',
    '(?<icmp>icmp) -m icmp --icmp-type 8|(?<icmpv6>ipv6-icmp) -m icmp6 --icmpv6-type 128)',
    '(?: -m comment --comment (?:"(?<quoted>[^"]+)"|(?<plain>[\\w-]+)))? -j ACCEPT$',
  ].join(''),
);

/**
 * Parses the output of `serializeRules`; an empty text has no rules.
 * @throws HoldfastError `firewall.damaged` for any other text: guest output is not trusted.
 */
export function parseRules(text: string): FirewallRule[] {
  if (text === '') return [];
  const lines = text.split('\n').slice(head.length, -tail.length);
  if (lines.length > ruleLimit) throw damaged(`it has more than ${ruleLimit} rules`);
  const rules = lines.map(parseLine);
  const twice = rules.find((rule, index) => rules.slice(0, index).some((other) => isSameRule(rule, other)));
  if (twice || serializeRules(rules) !== text) throw damaged('it is not what `holdfast firewall` writes');
  return rules;
}

function parseLine(text: string): FirewallRule {
  const groups = line.exec(text)?.groups;
  if (!groups) throw damaged(`it has the line ${JSON.stringify(text.slice(0, 200))}`);
  const { from, protocol, ports = '', icmp, icmpv6, quoted, plain } = groups;
  const comment = quoted ?? plain;
  if (comment !== undefined && !isComment(comment)) throw damaged('it has an invalid comment');
  try {
    const name = icmp ? 'icmp' : icmpv6 ? 'icmpv6' : `${protocol}/${ports.replace(':', '-')}`;
    return { service: parseService(name), from: from === undefined ? undefined : parseSource(from), comment };
  } catch (error) {
    if (error instanceof HoldfastError) throw damaged(describe(error));
    throw error;
  }
}

function damaged(why: string) {
  return failure('firewall.damaged', 'the file of the firewall rules is damaged', {
    why,
    next: 'run `holdfast firewall reset` to replace it with one without rules',
  });
}

/** Returns the rules of one family, as `iptables -S` or `ip6tables -S` prints the chain. */
export function chainLines(rules: readonly FirewallRule[], family: Family): string[] {
  return rules.filter((rule) => familiesOf(rule).includes(family)).map(serializeRule);
}

/** Returns whether any of the rules allows packets to this port. */
export function isAllowed(rules: readonly FirewallRule[], protocol: string, port: number): boolean {
  return rules.some((rule) => coversPort(rule, protocol, port));
}
