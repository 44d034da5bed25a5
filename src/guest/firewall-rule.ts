import { misuse } from '../base/errors.ts';
import { type Family, familyOf, type Source } from './firewall-source.ts';

/** Ports of the machine, including those that Podman publishes, or its answers to pings. */
export type Service =
  | { readonly protocol: 'tcp' | 'udp'; readonly first: number; readonly last: number }
  | { readonly protocol: 'icmp' | 'icmpv6' };

/** A rule that allows incoming packets. */
export interface FirewallRule {
  readonly service: Service;
  /** Undefined: from anywhere. */
  readonly from: Source | undefined;
  readonly comment: string | undefined;
}

/** The number of rules is limited, as each packet of a new connection may be compared with all of them. */
export const ruleLimit = 256;

/** Bytes. The kernel allows 255 (XT_MAX_COMMENT_LEN). */
const commentLimit = 200;

/**
 * Parses `tcp/8080`, `udp/5000-5010`, `icmp` or `icmpv6`.
 * @throws HoldfastError `firewall.service` (exit code 2).
 */
export function parseService(text: string): Service {
  const [, protocol = '', ports] = /^([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (ports !== undefined) throw notAService(text, `${protocol} has no ports`);
    return { protocol };
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw notAService(text, `the protocols are ${[...portProtocols, ...Object.keys(pings)].join(', ')}`);
  }
  const [, from, to] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(ports ?? '') ?? [];
  const first = Number(from);
  const last = to === undefined ? first : Number(to);
  if (!(first <= 65_535 && last <= 65_535)) throw notAService(text, 'a port is a number from 1 to 65535');
  if (first > last) throw notAService(text, 'the first port of a range is the lowest');
  return { protocol, first, last };
}

function notAService(text: string, why: string) {
  return misuse('firewall.service', `'${text}' is not a service`, {
    why,
    next: 'write for example tcp/8080, udp/5000-5010, icmp or icmpv6',
  });
}

/**
 * Parses a comment. Characters that `iptables -L` or a terminal would not print as written are rejected.
 * @throws HoldfastError `firewall.comment` (exit code 2).
 */
export function parseComment(text: string): string {
  if (isComment(text)) return text;
  throw misuse('firewall.comment', 'the comment is invalid', {
    why: `a comment is one line of at most ${commentLimit} bytes, without quotation marks and backslashes`,
    next: 'write a short comment, such as --comment "web server"',
  });
}

export function isComment(text: string): boolean {
  if (Buffer.byteLength(text) > commentLimit || !text.isWellFormed()) return false;
  return /^[^\p{C}\p{Z}"'\\]+(?: [^\p{C}\p{Z}"'\\]+)*$/u.test(text);
}

const portProtocols = ['tcp', 'udp'] as const;

/** Echo requests (RFC 792, RFC 4443), each of one family. */
const pings: Readonly<Record<'icmp' | 'icmpv6', Family>> = { icmp: 'ipv4', icmpv6: 'ipv6' };

/** Returns the family of a service that has only one. */
function serviceFamily({ protocol }: Service): Family | undefined {
  return protocol === 'icmp' || protocol === 'icmpv6' ? pings[protocol] : undefined;
}

/** Returns the families that a rule applies to; none if its service and its source are of different families. */
export function familiesOf({ service, from }: Pick<FirewallRule, 'service' | 'from'>): readonly Family[] {
  const wanted = [serviceFamily(service), from && familyOf(from)];
  return (['ipv4', 'ipv6'] as const).filter((family) =>
    wanted.every((one) => one === undefined || one === family),
  );
}

/** Returns whether two rules allow the same; their comments may differ. */
export function isSameRule(
  one: Omit<FirewallRule, 'comment'>,
  other: Omit<FirewallRule, 'comment'>,
): boolean {
  return describeRule(one) === describeRule(other);
}

/** Returns whether a rule allows packets to this port, from any source. */
export function coversPort({ service }: FirewallRule, protocol: string, port: number): boolean {
  return 'first' in service && service.protocol === protocol && service.first <= port && port <= service.last;
}

/** Returns a service as `parseService` takes it. */
export function describeService(service: Service): string {
  if (!('first' in service)) return service.protocol;
  const { protocol, first, last } = service;
  return `${protocol}/${first === last ? first : `${first}-${last}`}`;
}

/** Returns a rule as text: `tcp/8080 from 192.0.2.0/24`. */
export function describeRule({ service, from }: Omit<FirewallRule, 'comment'>): string {
  return `${describeService(service)} from ${from ?? 'anywhere'}`;
}
