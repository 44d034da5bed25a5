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

/** The chain of the packet filter that holds what is allowed; INPUT and FORWARD of the image's rules ask it. */
export const chain = 'HOLDFAST';

/** The first and the last lines of the file. It ends with COMMIT: one that was cut off is not loaded. */
const head = ['# Written by `holdfast firewall`, and loaded at boot', '*filter', `:${chain} - [0:0]`];
const tail = ['COMMIT', ''];

const onlyIn = { ipv4: '-4 ', ipv6: '-6 ' } as const;

/**
 * What iptables-restore(8) and ip6tables-restore(8) load: one file for both families, each line as `iptables -S` prints
 * it. `image/…/firewall/allowed.form` says the same to the machine, which loads nothing else at boot.
 */
export function serialiseRules(rules: readonly FirewallRule[]): string {
  const lines = rules.map((rule) => {
    const [family, other] = familiesOf(rule);
    return `${family && !other ? onlyIn[family] : ''}${serialiseRule(rule)}`;
  });
  return [...head, ...lines, ...tail].join('\n');
}

/** A rule as `iptables -S` prints it. */
export function serialiseRule({ service, from, comment }: FirewallRule): string {
  const words = [`-A ${chain}`];
  if (from !== undefined) words.push(`-s ${from}`);
  words.push(serialiseService(service));
  if (comment !== undefined) words.push(`-m comment --comment ${quoteComment(comment)}`);
  return [...words, '-j ACCEPT'].join(' ');
}

const pings = {
  icmp: '-p icmp -m icmp --icmp-type 8',
  icmpv6: '-p ipv6-icmp -m icmp6 --icmpv6-type 128',
} as const;

/**
 * The port is the one that the connection was made to: of a port that Podman publishes, not the container's own, which
 * the packet has after Podman's translation.
 */
function serialiseService(service: Service): string {
  if (!('first' in service)) return pings[service.protocol];
  const { protocol, first, last } = service;
  const ports = first === last ? first : `${first}:${last}`;
  return `-p ${protocol} -m conntrack --ctstate NEW --ctorigdstport ${ports}`;
}

/** iptables puts quotation marks only where they are needed (xtables_save_string). */
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
 * Reads what `serialiseRules` wrote; an empty text is no rules.
 * @throws HoldfastError `firewall.damaged` for every other text: what the guest hands over is not trusted.
 */
export function parseRules(text: string): FirewallRule[] {
  if (text === '') return [];
  const lines = text.split('\n').slice(head.length, -tail.length);
  if (lines.length > ruleLimit) throw damaged(`it has more than ${ruleLimit} rules`);
  const rules = lines.map(parseLine);
  const twice = rules.find((rule, index) => rules.slice(0, index).some((other) => isSameRule(rule, other)));
  if (twice || serialiseRules(rules) !== text) throw damaged('it is not what `holdfast firewall` writes');
  return rules;
}

function parseLine(text: string): FirewallRule {
  const groups = line.exec(text)?.groups;
  if (!groups) throw damaged(`it has the line ${JSON.stringify(text.slice(0, 200))}`);
  const { from, protocol, ports = '', icmp, icmpv6, quoted, plain } = groups;
  const comment = quoted ?? plain;
  if (comment !== undefined && !isComment(comment)) throw damaged('it has a comment that cannot be');
  try {
    const name = icmp ? 'icmp' : icmpv6 ? 'icmpv6' : `${protocol}/${ports.replace(':', '-')}`;
    return { service: parseService(name), from: from === undefined ? undefined : parseSource(from), comment };
  } catch (error) {
    if (error instanceof HoldfastError) throw damaged(describe(error));
    throw error;
  }
}

function damaged(why: string) {
  return failure('firewall.damaged', 'the file of what the firewall allows is damaged', {
    why,
    next: '`holdfast firewall reset` makes it new, with nothing allowed',
  });
}

/** The rules of one family, as `iptables -S` or `ip6tables -S` prints the chain. */
export function chainLines(rules: readonly FirewallRule[], family: Family): string[] {
  return rules.filter((rule) => familiesOf(rule).includes(family)).map(serialiseRule);
}

/** Whether any of the rules lets packets to this port in. */
export function isAllowed(rules: readonly FirewallRule[], protocol: string, port: number): boolean {
  return rules.some((rule) => coversPort(rule, protocol, port));
}
